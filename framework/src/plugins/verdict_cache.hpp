#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "plugins/cache_file.hpp"
#include "plugins/probe.hpp"
#include "plugins/rejection.hpp"

namespace soma::plugins {

/// What test processes said about plugin files, kept in $XDG_CACHE_HOME/soma/plugins (or
/// ~/.cache/soma/plugins), one small file per path. A verdict holds for the identity of the plugin
/// file, or, when that changed, for the SHA-256 of its content; and for this version of Soma, this
/// probe, this CPU and this C library. Acceptances are kept until they are 30 days old, time-outs
/// for an hour (the machine may have been busy), other rejections not at all (what they complain
/// about may lie outside the file). No failure of the cache is ever reported: without it, every
/// admission takes a test process.
class VerdictCache {
 public:
  explicit VerdictCache(const Probe& probe);

  std::optional<Rejection> recall(const std::filesystem::path& file) const;
  /// Writes the verdict unless the file is no longer the one that was `probed` or changed so lately
  /// that another change would leave no trace in its time stamps.
  void remember(const std::filesystem::path& file, const FileIdentity& probed,
                const Rejection& verdict) const;

 private:
  struct Record;
  std::filesystem::path place_of(const std::filesystem::path& file) const;
  void write(const std::filesystem::path& file, const Record& record) const;

  std::filesystem::path folder_;  // empty: there is no place for it
  std::string host_;
};

}  // namespace soma::plugins
