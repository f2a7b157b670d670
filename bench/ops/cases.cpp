#include "cases.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "soma/error.hpp"
#include "soma/op_catalogue.hpp"
#include "soma/op_cost.hpp"

namespace soma::bench {
namespace {

std::vector<Case> make_cases() {
  std::vector<Case> list;
  for (const auto add : {add_product, add_convolution, add_pool, add_pointwise, add_softmax,
                         add_normalization, add_recurrent, add_attention, add_optimizer}) {
    add(list);
  }
  std::set<std::string> timed;
  for (const Case& c : list) {
    if (c.ops.size() == 1) timed.insert(c.ops.front().id);
  }
  for (Op& op : example_ops()) {
    if (timed.insert(op.id).second) list.push_back({op.id, {std::move(op)}});
  }
  return list;
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> list = make_cases();
  return list;
}

const Case& find_case(std::string_view name) {
  const auto found = std::ranges::find(cases(), name, &Case::name);
  if (found != cases().end()) return *found;
  throw Error("no benchmark case '" + std::string(name) + "'");
}

double flops(const Case& c) {
  double total = 0;
  for (const Op& op : c.ops) total += soma::flops(op);
  return total;
}

std::string ops_json(const Case& c) {
  auto list = nlohmann::ordered_json::array();
  const auto shapes = [](const std::vector<TensorInfo>& tensors) {
    auto all = nlohmann::ordered_json::array();
    for (const TensorInfo& t : tensors) {
      all.push_back(std::vector<std::int64_t>(t.shape.dims().begin(), t.shape.dims().end()));
    }
    return all;
  };
  for (const Op& op : c.ops) {
    auto attributes = nlohmann::ordered_json::object();
    for (const auto& [key, value] : op.attributes.entries()) {
      std::visit([&, name = &key](const auto& v) { attributes[*name] = v; }, value);
    }
    list.push_back({{"id", op.id},
                    {"inputs", shapes(op.inputs)},
                    {"outputs", shapes(op.outputs)},
                    {"attributes", attributes},
                    {"train", op.purpose == Purpose::train}});
  }
  return list.dump();
}

}  // namespace soma::bench
