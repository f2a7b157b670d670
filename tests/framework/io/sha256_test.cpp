#include "io/sha256.hpp"

#include <gtest/gtest.h>

namespace {

using soma::io::Sha256;

TEST(Sha256, GivesThePublishedDigests) {  // FIPS 180-4 examples
  Sha256 empty;
  EXPECT_EQ(empty.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.update("a");
  abc.update("bc");
  EXPECT_EQ(abc.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, TakesNumbersLittleEndian) {
  Sha256 number, bytes;
  number.update(std::int64_t{0x0102030405060708});
  bytes.update("\x08\x07\x06\x05\x04\x03\x02\x01");
  EXPECT_EQ(number.hex(), bytes.hex());
}

}  // namespace
