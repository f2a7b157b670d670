#pragma once

#include <string>

/// `soma data fetch`: a set of known_sets() into soma::data::folder(), or any URL into a file (its
/// name in the URL if `to` is empty). `from` replaces the folder of a known set's URLs.
struct FetchRequest {
  std::string what, from, to, sha256;
  bool json = false;
};

int fetch_data(const FetchRequest& request);
