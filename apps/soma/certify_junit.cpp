// The XML that build servers read: one suite per level and op, one case per item.
#include <cstdio>

#include "certify_report.hpp"

using namespace soma::conformance;

namespace {

std::string escape_xml(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        // XML 1.0 has no other control characters.
        safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return safe;
}

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + escape_xml(value) + "\"";
}

std::string case_xml(const Certificate& certificate, const ItemResult& result) {
  const auto& [item, verdict] = result;
  std::string xml = "    <testcase" +
                    attribute("classname", code_of(item.level) + ("." + item.op)) +
                    attribute("name", item.name);
  if (verdict.failures.empty() && verdict.refused.empty()) return xml + "/>\n";
  xml += ">\n";
  if (!verdict.refused.empty()) {
    xml += "      <skipped" + attribute("message", verdict.refused) + "/>\n";
  }
  for (const Failure& failure : verdict.failures) {
    xml += "      <failure" + attribute("type", failure.check) +
           attribute("message", failure.message) + ">" +
           escape_xml("rerun: " + certificate.rerun(item)) + "</failure>\n";
  }
  return xml + "    </testcase>\n";
}

}  // namespace

std::string certificate_junit(const Certificate& certificate) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" +
                    attribute("name", "certify " + certificate.request.subject) + ">\n";
  for (const Cell& cell : cells_of(certificate)) {
    xml += "  <testsuite" + attribute("name", code_of(cell.level) + (" " + cell.op)) +
           attribute("tests", std::to_string(cell.cases)) +
           attribute("failures", std::to_string(cell.failed)) +
           attribute("skipped", std::to_string(cell.refused)) + ">\n" +
           "    <properties>\n      <property" + attribute("name", "plugin_sha256") +
           attribute("value", certificate.sha256) + "/>\n    </properties>\n";
    for (const ItemResult& result : certificate.results) {
      if (result.item.level == cell.level && result.item.op == cell.op) {
        xml += case_xml(certificate, result);
      }
    }
    xml += "  </testsuite>\n";
  }
  return xml + "</testsuites>\n";
}
