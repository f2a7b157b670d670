#include "known_sets.hpp"

namespace {

KnownSet::File mnist(const std::string& name, const char* sha256, std::uint64_t size) {
  return {"https://storage.googleapis.com/cvdf-datasets/mnist/" + name, sha256, size,
          "mnist/" + name};
}

KnownSet::File table(const std::string& name, const char* sha256, std::uint64_t size) {
  return {"https://raw.githubusercontent.com/jbrownlee/Datasets/master/" + name, sha256, size,
          "tabular/" + name};
}

}  // namespace

std::span<const KnownSet> known_sets() {
  static const KnownSet sets[] = {
      {"mnist",
       {mnist("train-images-idx3-ubyte.gz",
              "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422),
        mnist("train-labels-idx1-ubyte.gz",
              "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
        mnist("t10k-images-idx3-ubyte.gz",
              "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
        mnist("t10k-labels-idx1-ubyte.gz",
              "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542)}},
      {"cifar10",
       {{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
         "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171,
         "cifar10/cifar-10-binary.tar.gz"}},
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
        "data_batch_5.bin", "test_batch.bin"}},
      {"tinyshakespeare",
       {{"https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
         "input.txt",
         "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", 1115394,
         "tinyshakespeare/input.txt"}}},
      {"wine",
       {table("wine.csv", "e9c16b779f9194945067f65118da6afb317ef60c6515879c50124dc4f6cdd756",
              10782)}},
      {"banknote",
       {table("banknote_authentication.csv",
              "d0539aaed2139ba7a587b3e34fb345ce503ff7d5d33dbf9912d8e195ce425cb9", 46400)}},
      {"sonar",
       {table("sonar.csv", "3079c09b5d2789a0f96aff82c28e5164fafe2495c5f8da96c6c256c1bd25763f",
              87775)}},
      {"abalone",
       {table("abalone.csv", "eb2de13be807e9bb9ec4128b9c89b98ab23d7739121cfd17b7dde69b46ba7bf6",
              191872)}},
      {"temperatures",
       {table("daily-min-temperatures.csv",
              "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da", 67921)}},
      {"passengers",
       {table("airline-passengers.csv",
              "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621", 2180)}},
  };
  return sets;
}
