#include "fetch.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "download.hpp"
#include "files.hpp"
#include "known_sets.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"

namespace fs = std::filesystem;

namespace {

/// Takes regular files, by the last part of their names, out of a .tar.gz (POSIX.1-1988 ustar).
void unpack(const fs::path& archive, const std::vector<std::string>& members) {
  constexpr std::size_t kBlock = 512, kSizeAt = 124, kTypeAt = 156;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> gz(gzopen(archive.c_str(), "rb"), gzclose_r);
  const auto fail = [&](const std::string& problem) {
    throw soma::FormatError(archive.string() + ": " + problem);
  };
  if (!gz) fail("cannot be read");
  const auto read = [&](std::size_t size) {
    std::string bytes(size, '\0');
    const int got = gzread(gz.get(), bytes.data(), static_cast<unsigned>(size));
    if (got < 0 || static_cast<std::size_t>(got) != size) {
      fail("expected " + std::to_string(size) + " bytes more of the archive, found its end");
    }
    return bytes;
  };
  std::size_t found = 0;
  while (found < members.size()) {
    const std::string header = read(kBlock);
    if (header[0] == 0) break;  // the end
    const std::string name(header.c_str());
    const std::size_t size = std::strtoull(header.substr(kSizeAt, 12).c_str(), nullptr, 8);
    constexpr std::size_t kMost = std::size_t{1} << 31;
    if (size >= kMost) fail("expected files of less than 2 GB, found '" + name + "' with more");
    const std::string content = read((size + kBlock - 1) / kBlock * kBlock);
    const std::string last = fs::path(name).filename().string();
    const bool regular = header[kTypeAt] == '0' || header[kTypeAt] == 0;
    if (!regular || std::ranges::find(members, last) == members.end()) continue;
    write_file(archive.parent_path() / last, std::string_view(content).substr(0, size));
    ++found;
  }
  if (found != members.size()) {
    fail("expected the file " + members[found] + " and others in it, found " +
         std::to_string(found) + " of " + std::to_string(members.size()));
  }
}

bool all_there(const KnownSet& set) {
  const auto list = soma::data::list();
  const auto info = std::ranges::find(list, set.name, &soma::data::Info::name);
  return info != list.end() && info->available;
}

std::vector<std::string> fetch_set(const KnownSet& set, const std::string& from) {
  std::vector<std::string> files;
  if (all_there(set)) {
    std::cerr << set.name << " is here already, in " << soma::data::folder().string() << "\n";
    return files;
  }
  for (const KnownSet::File& file : set.files) {
    const fs::path place = soma::data::folder() / file.place;
    std::string url = file.url;
    if (!from.empty()) {
      url = from + (from.ends_with('/') ? "" : "/") + place.filename().string();
    }
    download({url, place, file.sha256, file.size_bytes});
    files.push_back(place.string());
  }
  if (set.members.empty()) return files;
  const fs::path archive = files[0];
  unpack(archive, set.members);
  fs::remove(archive);
  files.clear();
  for (const std::string& name : set.members) {
    files.push_back((archive.parent_path() / name).string());
  }
  return files;
}

std::string fetch_url(const FetchRequest& request) {
  const std::string path = request.what.substr(0, request.what.find_first_of("?#"));
  fs::path file =
      request.to.empty() ? fs::path(path.substr(path.rfind("/") + 1)) : fs::path(request.to);
  if (file.empty()) throw UsageError("data fetch: the URL names no file, use --to FILE");
  download({request.what, file, request.sha256});
  return file.string();
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

}  // namespace

int fetch_data(const FetchRequest& request) {
  if (!request.sha256.empty() && !is_sha256(request.sha256)) {
    throw UsageError("--sha256: expected 64 hexadecimal digits, got '" + request.sha256 + "'");
  }
  std::vector<std::string> files;
  const auto set = std::ranges::find(known_sets(), request.what, &KnownSet::name);
  if (set != known_sets().end()) {
    if (!request.sha256.empty() || !request.to.empty()) {
      throw UsageError("data fetch: --to and --sha256 are for a URL, " + set->name +
                       " has its place and sums");
    }
    files = fetch_set(*set, request.from);
  } else if (request.what.find("://") != std::string::npos) {
    if (!request.from.empty()) throw UsageError("data fetch: --from is for a set by name");
    files.push_back(fetch_url(request));
  } else {
    std::string names;
    for (const KnownSet& known : known_sets()) names += known.name + ", ";
    throw UsageError("data fetch: expected " + names + "or a URL, got '" + request.what + "'");
  }
  if (request.json) {
    std::cout << nlohmann::ordered_json{{"files", files}}.dump() << "\n";
  } else {
    for (const std::string& file : files) std::cout << file << "\n";
  }
  return 0;
}
