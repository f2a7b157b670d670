// Backend and Kernel as the framework sees them: errors by status, buffers, floating-point
// environment, no allocation.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "plugins/fp_environment.hpp"
#include "soma/backend.hpp"
#include "soma/op_catalogue.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "support.hpp"

namespace {

using soma::Kernel;

soma::Op op_in_mood(const char* mood) {
  soma::Op op = soma::ops::Activation{"relu"}.forward({4}, soma::Purpose::infer);
  if (*mood != '\0') op.attributes.set("mood", mood);
  return op;
}

class BackendWrapper : public testing::Test {
 protected:
  static void SetUpTestSuite() { soma::add_plugin_path(FIXTURE_FOLDER); }
  BackendWrapper() : backend_(soma::backend("moody")) {}

  Kernel::Buffers buffers(const void* pack = nullptr) {
    return {inputs_.data(), outputs_.data(), workspace_.data(), pack};
  }
  void execute(const char* mood) { backend_.prepare(op_in_mood(mood)).execute(buffers(), 3); }

  /// What `call` throws, or "" if nothing or another type.
  template <class Exception, class Call>
  static std::string thrown(Call call) {
    try {
      call();
    } catch (const Exception& e) {
      return e.what();
    } catch (const std::exception& e) {
      ADD_FAILURE() << "another exception: " << e.what();
    }
    return "";
  }

  soma::Backend backend_;
  alignas(64) std::array<float, 16> x_{1, 2, 3, 4};
  alignas(64) std::array<float, 16> y_{};
  alignas(64) std::array<float, 16> workspace_{};
  std::array<const void*, 1> inputs_{x_.data()};
  std::array<void*, 1> outputs_{y_.data()};
};

TEST_F(BackendWrapper, DescribesItself) {
  EXPECT_EQ(backend_.name(), "moody");
  EXPECT_EQ(backend_.runtime(), "serial");
  EXPECT_EQ(backend_.path().filename(), "libsoma_moody.so");
  EXPECT_EQ(backend_.op_ids(), std::vector<std::string>{"relu/1.fwd"});
  const Kernel kernel = backend_.prepare(op_in_mood("packs"));
  EXPECT_EQ(kernel.info().implementation, "moody:packs");
  EXPECT_EQ(kernel.info().exactness, soma::Exactness::bounded);
  EXPECT_EQ(kernel.info().pack_bytes, 8u);
  EXPECT_EQ(kernel.info().workspace_bytes, 64u);
  EXPECT_EQ(kernel.op(), op_in_mood("packs"));
}

TEST_F(BackendWrapper, HandsOverThreadsAndPack) {
  const Kernel kernel = backend_.prepare(op_in_mood("packs"));
  alignas(64) float pack[16] = {};
  kernel.pack(buffers(), pack, 1);
  kernel.execute(buffers(pack), 3);
  EXPECT_EQ(y_[1], 3);
  EXPECT_EQ(y_[2], 3 * x_[0]);
}

TEST_F(BackendWrapper, TurnsStatusesIntoExceptionsThatNameBackendOpAndFile) {
  const std::string end = "(" + backend_.path().string() + ")";
  const auto prepare = [&](const char* mood) {
    return [this, mood] { backend_.prepare(op_in_mood(mood)); };
  };
  EXPECT_EQ(thrown<soma::UnsupportedError>(prepare("unsupported")),
            "backend 'moody' cannot prepare relu/1.fwd([4] -> [4] mood=unsupported): not on a "
            "Monday " +
                end);
  EXPECT_EQ(thrown<soma::ShapeError>(prepare("invalid")),
            "backend 'moody' cannot prepare relu/1.fwd([4] -> [4] mood=invalid): expected an even "
            "extent " +
                end);
  EXPECT_EQ(
      thrown<soma::PluginError>(prepare("fails")),
      "backend 'moody' cannot prepare relu/1.fwd([4] -> [4] mood=fails): out of patience " + end);
  EXPECT_EQ(thrown<soma::ShapeError>([&] { execute("execute_shape"); }),
            "backend 'moody' failed in relu/1.fwd([4] -> [4] mood=execute_shape): a target outside "
            "[0, 10) " +
                end);
  EXPECT_EQ(
      thrown<soma::PluginError>([&] { execute("execute_fails"); }),
      "backend 'moody' failed in relu/1.fwd([4] -> [4] mood=execute_fails): the device is gone " +
          end);
}

TEST_F(BackendWrapper, SaysWhyItCannotBeOpened) {
  EXPECT_EQ(
      thrown<soma::UnsupportedError>(
          [] { soma::backend("moody", {.numerics = soma::Numerics::exact}); }),
      "backend 'moody' cannot be opened: it is never exact (" + backend_.path().string() + ")");
}

TEST_F(BackendWrapper, TellsWhatIsSupported) {
  std::string why;
  EXPECT_TRUE(backend_.supports(op_in_mood("")));
  EXPECT_FALSE(backend_.supports(op_in_mood("unsupported"), &why));
  EXPECT_EQ(why, "not on a Monday");
  EXPECT_FALSE(backend_.supports(op_in_mood("unsupported")));
}

TEST_F(BackendWrapper, RefusesThreadCountsBelowOne) {
  const Kernel kernel = backend_.prepare(op_in_mood(""));
  EXPECT_THROW(kernel.execute(buffers(), 0), soma::ShapeError);
  EXPECT_THROW(backend_.parallel_for(0, 1, 1, [](auto, auto) {}), soma::ShapeError);
}

TEST_F(BackendWrapper, ExecutesUnderTheDefaultFloatingPointEnvironmentAndRestoresTheCallers) {
  const Kernel kernel = backend_.prepare(op_in_mood("flushes"));
  const unsigned saved = _mm_getcsr();
  const unsigned round_down = 0x3F80, standard = 0x1F80;
  for (const unsigned callers : {standard, round_down}) {
    _mm_setcsr(callers);
    kernel.execute(buffers(), 1);
    const unsigned after = _mm_getcsr() & ~0x3Fu;
    _mm_setcsr(saved);
    EXPECT_EQ(y_[0], static_cast<float>(standard)) << "seen by the kernel";
    EXPECT_EQ(after, callers) << "left for the caller";
  }
}

TEST_F(BackendWrapper, AllocatesNothingWhenItExecutesOrPacks) {
  const Kernel kernel = backend_.prepare(op_in_mood("packs"));
  alignas(64) float pack[16] = {};
  kernel.execute(buffers(pack), 1);
  const long before = allocation_count();
  for (int i = 0; i < 100; ++i) {
    kernel.pack(buffers(), pack, 2);
    kernel.execute(buffers(pack), 2);
    backend_.parallel_for(
        2, 10, 1, [](void*, std::int64_t, std::int64_t) {}, nullptr);
  }
  EXPECT_EQ(allocation_count(), before);
}

TEST_F(BackendWrapper, RunsEveryIndexOnceInParallelFor) {
  for (const char* name : {"moody", "c_backend"}) {  // c_backend has no loop of its own
    std::vector<int> counts(103, 0);
    soma::backend(name).parallel_for(2, 103, 10, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++counts[static_cast<std::size_t>(i)];
    });
    EXPECT_EQ(counts, std::vector<int>(103, 1)) << name;
  }
}

TEST_F(BackendWrapper, CarriesAnExceptionThroughParallelFor) {
  EXPECT_EQ(thrown<std::out_of_range>([&] {
              backend_.parallel_for(2, 100, 10, [](std::int64_t begin, std::int64_t) {
                if (begin >= 50) throw std::out_of_range("no such row");
              });
            }),
            "no such row");
}

TEST_F(BackendWrapper, KeepsTheBackendOpenAsLongAsAKernelLives) {
  Kernel kernel;
  {
    const soma::Backend another = soma::backend("c_backend");
    kernel = another.prepare(op_in_mood(""));
  }
  x_[1] = -1;
  kernel.execute(buffers(), 1);
  EXPECT_EQ(y_[0], 1);
  EXPECT_EQ(y_[1], 0);
}

TEST(CanonicalFp, HoldsTheDefaultAndPutsBackWhatWas) {
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(0x9FC0);
  {
    const soma::plugins::CanonicalFp fp;
    EXPECT_EQ(_mm_getcsr() & ~0x3Fu, 0x1F80u);
  }
  const unsigned after = _mm_getcsr() & ~0x3Fu;
  _mm_setcsr(saved);
  EXPECT_EQ(after, 0x9FC0u);
}

TEST(OpCatalogue, HasOneExampleOfEachIdInFullTrainingForm) {
  std::vector<std::string> ids;
  for (const soma::Op& op : soma::example_ops()) {
    EXPECT_EQ(op.purpose, soma::Purpose::train) << op.id;
    EXPECT_FALSE(op.inputs.empty()) << op.id;
    EXPECT_FALSE(op.outputs.empty()) << op.id;
    ids.push_back(op.id);
  }
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  std::vector<std::string> known = soma::backend("reference").op_ids();
  std::ranges::sort(known);
  EXPECT_EQ(ids, known);
}

}  // namespace
