#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "certify/routine.hpp"
#include "soma/conformance/certify.hpp"
#include "soma/conformance/training.hpp"

namespace soma::conformance {

/// An examination that is a list of questions, each a function. A kind of plugin fills it in its
/// constructor.
class Questions : public Examination {
 public:
  std::vector<Item> items() const override;
  Verdict examine(const Item& item, const Notice& notice) override;

 protected:
  explicit Questions(const CertifyOptions& options) : options_(options) {}

  using Ask = std::function<void(Verdict&)>;
  void add(Level level, const std::string& op, const std::string& name, Ask ask);
  /// Called for each question anew, in the process that asks it. An UnsupportedError declines it.
  using MakeRoutine = std::function<std::shared_ptr<const Routine>()>;
  enum class Size { some, empty };
  /// The questions that every routine is asked, "<op>/<question>_<size>". `values`: the level at
  /// which its numbers belong; one without elements is only asked about memory.
  void add_routine(Level values, const std::string& op, const std::string& size,
                   const MakeRoutine& make, Size kind = Size::some);
  /// C6: `make` trained with `optimizer` on each ready backend under exact numerics, and the same
  /// weights wanted as from the reference; the loss must not be stuck or leave the numbers.
  void add_trainings(const std::string& name, const std::function<Model()>& make,
                     const std::function<Optimizer()>& optimizer);

  CertifyOptions options_;

 private:
  struct Question {
    Item item;
    Ask ask;
  };
  std::vector<Question> questions_;
};

/// Values for the options of a table: defaults, what the user gave, and something of the right kind
/// for those that must be given. In the order of the list; the texts live as long as `given`.
std::vector<soma_attribute> option_values(const soma_option* options, std::int32_t count,
                                          const Attributes& given);
/// The same by name, only those that are not defaults: what model files say. Given ones that the
/// list does not have are left out.
Attributes chosen_options(const soma_option* options, std::int32_t count, const Attributes& given);

}  // namespace soma::conformance
