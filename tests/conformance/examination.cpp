#include "examination.hpp"

#include "options.hpp"

namespace soma::conformance {

const Backend& examined() {
  static const Backend opened =
      backend(front_options().backend, {.numerics = front_options().numerics});
  return opened;
}

Examiner& examiner() {
  static Examiner instance = [] {
    std::vector<Backend> partners;
    for (const std::string& name : backend_names()) {
      if (name == "reference" || name == front_options().backend) continue;
      partners.push_back(backend(name, {.numerics = Numerics::exact}));
      partners.push_back(backend(name, {.numerics = Numerics::fast}));
    }
    return Examiner(examined(), backend("reference", {.numerics = Numerics::exact}),
                    {front_options().seed, std::move(partners)});
  }();
  return instance;
}

Summary& summary() {
  static Summary instance;
  return instance;
}

std::string rerun_command(const Case& c, Check check) {
  return front_options().program + " " + front_options().arguments() + " --case " + c.id() +
         " --check " + name_of(check);
}

}  // namespace soma::conformance
