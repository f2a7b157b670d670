#include "soma/record_format.hpp"

#include <algorithm>
#include <cmath>

#include "io/json_text.hpp"

namespace soma {
namespace {

using Json = io::JsonText::Json;
using Kind = RecordField::Kind;

constexpr std::pair<Kind, const char*> kKinds[] = {
    {Kind::number, "number"}, {Kind::category, "category"}, {Kind::ignored, "ignored"}};

Json json_of(const RecordField& field) {
  const auto kind = std::ranges::find(kKinds, field.kind, &std::pair<Kind, const char*>::first);
  Json out = {{"name", field.name}, {"kind", kind->second}};
  if (field.kind == Kind::number) {
    out["mean"] = field.mean;
    out["deviation"] = field.deviation;
  }
  if (field.kind == Kind::category) out["categories"] = field.categories;
  if (field.kind == Kind::ignored) out["reason"] = field.reason;
  if (field.may_miss) out["may_miss"] = true;
  return out;
}

/// Reads members of one object; a wrong type is a complaint with the place.
class Members {
 public:
  Members(const io::JsonText& text, const Json& object, std::string pointer)
      : text_(text), object_(object), pointer_(std::move(pointer)) {
    if (!object.is_object())
      text.fail(pointer_, "expected an object, found " + io::describe(object));
  }
  template <class T>
  void read(const char* key, T& to) const {
    if (!object_.contains(key)) fail(key, "is missing");
    try {
      object_.at(key).get_to(to);
    } catch (const Json::exception&) {
      fail(key, "is of the wrong type: " + io::describe(object_.at(key)));
    }
  }
  bool has(const char* key) const { return object_.contains(key); }
  [[noreturn]] void fail(const char* key, const std::string& problem) const {
    text_.fail(io::member_pointer(pointer_, key), problem);
  }

 private:
  const io::JsonText& text_;
  const Json& object_;
  std::string pointer_;
};

RecordField field_of(const io::JsonText& text, const Json& object, const std::string& pointer) {
  const Members members(text, object, pointer);
  RecordField field;
  std::string kind;
  members.read("name", field.name);
  members.read("kind", kind);
  const auto found = std::ranges::find(kKinds, kind, &std::pair<Kind, const char*>::second);
  if (found == std::end(kKinds)) {
    members.fail("kind", "expected number, category or ignored, found \"" + kind + "\"");
  }
  field.kind = found->first;
  if (field.kind == Kind::number) {
    members.read("mean", field.mean);
    members.read("deviation", field.deviation);
    if (!std::isfinite(field.mean)) members.fail("mean", "expected a finite number");
    if (!std::isfinite(field.deviation) || field.deviation <= 0) {
      members.fail("deviation", "expected a finite number above 0");
    }
  }
  if (field.kind == Kind::category) members.read("categories", field.categories);
  if (field.kind == Kind::ignored) members.read("reason", field.reason);
  if (members.has("may_miss")) members.read("may_miss", field.may_miss);
  return field;
}

}  // namespace

std::int64_t RecordField::width() const noexcept {
  if (kind == Kind::ignored) return 0;
  const std::size_t own = kind == Kind::number ? 1 : categories.size();
  return static_cast<std::int64_t>(own) + (may_miss ? 1 : 0);
}

std::int32_t RecordField::category(std::string_view text) const noexcept {
  const auto found = std::ranges::find(categories, text);
  return found == categories.end() ? -1 : static_cast<std::int32_t>(found - categories.begin());
}

void RecordField::encode_number(double value, float* to) const noexcept {
  const bool missing = std::isnan(value);
  to[0] = missing ? 0.0f : static_cast<float>((value - mean) / deviation);
  if (may_miss) to[1] = missing ? 1.0f : 0.0f;
}

void RecordField::encode_category(std::int32_t index, bool missing, float* to) const noexcept {
  std::fill_n(to, width(), 0.0f);
  if (index >= 0) to[index] = 1;
  if (may_miss && missing) to[width() - 1] = 1;
}

std::int64_t RecordFormat::inputs() const noexcept {
  std::int64_t n = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) n += i == target ? 0 : fields[i].width();
  return n;
}

double RecordFormat::answer(double output) const noexcept {
  if (!target || fields[*target].kind != Kind::number) return output;
  return output * fields[*target].deviation + fields[*target].mean;
}

std::string RecordFormat::to_json() const {
  Json out = {{"soma_records", 1}, {"class_names", class_names}};
  if (!fields.empty()) {
    Json list = Json::array();
    for (const RecordField& field : fields) list.push_back(json_of(field));
    out["fields"] = list;
    if (target) out["target"] = *target;
    out["missing"] = missing;
    out["decimal"] = std::string(1, decimal);
  }
  // Names are bytes of a file, which need not be UTF-8.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RecordFormat RecordFormat::from_json(std::string_view json, const std::string& origin) {
  const io::JsonText text(json, origin);
  const Members members(text, text.root(), "");
  RecordFormat format;
  int version = 0;
  members.read("soma_records", version);
  if (version != 1) members.fail("soma_records", "expected 1, found " + std::to_string(version));
  members.read("class_names", format.class_names);
  if (!members.has("fields")) return format;
  const Json& list = text.root().at("fields");
  if (!list.is_array()) members.fail("fields", "expected an array, found " + io::describe(list));
  for (std::size_t i = 0; i < list.size(); ++i) {
    format.fields.push_back(field_of(text, list[i], io::element_pointer("/fields", i)));
  }
  if (members.has("target")) {
    std::int64_t target = 0;
    members.read("target", target);
    if (target < 0 || std::cmp_greater_equal(target, list.size())) {
      members.fail("target", "expected the index of a field, found " + std::to_string(target));
    }
    format.target = static_cast<std::size_t>(target);
  }
  std::string decimal;
  members.read("missing", format.missing);
  members.read("decimal", decimal);
  if (decimal != "." && decimal != ",") {
    members.fail("decimal", "expected \".\" or \",\", found \"" + decimal + "\"");
  }
  format.decimal = decimal[0];
  return format;
}

}  // namespace soma
