#include "download.hpp"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "curl_library.hpp"
#include "files.hpp"
#include "soma/error.hpp"

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr long kConnectSeconds = 20, kStalledSeconds = 30;

std::string size_text(double bytes) {
  char text[32];
  if (bytes < 1e6) {
    std::snprintf(text, sizeof text, "%.0f kB", bytes / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f MB", bytes / 1e6);
  }
  return text;
}

/// One line that is drawn over on a terminal; elsewhere a line every few seconds.
class Progress {
 public:
  explicit Progress(std::string name) : name_(std::move(name)) {}

  void show(std::uint64_t have, std::uint64_t received, std::uint64_t total, bool end = false) {
    const auto now = Clock::now();
    const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
    if (!end && now - shown_ < pause) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(received) / seconds : 0;
    std::string text = name_ + "  " + size_text(static_cast<double>(have));
    if (total > 0) {
      char share[32];
      std::snprintf(share, sizeof share, "  %3.0f %%",
                    100 * static_cast<double>(have) / static_cast<double>(total));
      text += " of " + size_text(static_cast<double>(total)) + share;
    }
    if (received > 0) text += "  " + size_text(rate) + "/s";
    if (!end && total > have && rate > 0) {
      text += "  " +
              std::to_string(static_cast<std::int64_t>(static_cast<double>(total - have) / rate)) +
              " s left";
    }
    std::fprintf(stderr, terminal_ ? "\r%s\x1b[K%s" : "%s%s", text.c_str(),
                 !terminal_ || end ? "\n" : "");
  }

 private:
  std::string name_;
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
};

/// Where one transfer puts its bytes.
struct Transfer {
  CURL* curl;
  std::FILE* file;
  std::uint64_t offset;        // bytes that were there before
  std::uint64_t received = 0;  // by this transfer
  std::uint64_t expected = 0;  // in all, if known
  bool begun = false, failed_to_write = false;
  Progress progress;
};

std::size_t take(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.begun) {
    transfer.begun = true;
    long code = 0;
    curl_library().easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &code);
    if (code == 200 && transfer.offset > 0) {  // a server that sends all again
      std::rewind(transfer.file);
      transfer.failed_to_write = ftruncate(fileno(transfer.file), 0) != 0;
      transfer.offset = 0;
    }
    curl_off_t length = -1;
    curl_library().easy_getinfo(transfer.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (transfer.expected == 0 && length > 0) {
      transfer.expected = transfer.offset + static_cast<std::uint64_t>(length);
    }
  }
  transfer.failed_to_write |= std::fwrite(data, 1, size, transfer.file) != size;
  if (transfer.failed_to_write) return 0;
  transfer.received += size;
  transfer.progress.show(transfer.offset + transfer.received, transfer.received, transfer.expected);
  return size;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

struct Outcome {
  CURLcode code = CURLE_OK;
  long response = 0;
  std::string problem;
};

/// Appends to the part file what it lacks.
Outcome transfer_rest(const Download& what, const fs::path& part) {
  struct CloseCurl {
    void operator()(CURL* curl) const noexcept { curl_library().easy_cleanup(curl); }
  };
  struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  const std::unique_ptr<CURL, CloseCurl> curl(curl_library().easy_init());
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(part.c_str(), "ab"));
  if (!file) {
    throw soma::StateError("cannot write " + part.string() + ": " + std::strerror(errno));
  }
  std::error_code ignored;
  const std::uint64_t offset = fs::file_size(part, ignored);
  Transfer transfer{curl.get(),      file.get(), offset, 0,
                    what.size_bytes, false,      false,  Progress(what.file.filename().string())};
  std::array<char, CURL_ERROR_SIZE> message{};
  CURL* c = curl.get();
  curl_library().easy_setopt(c, CURLOPT_URL, what.url.c_str());
  curl_library().easy_setopt(c, CURLOPT_ERRORBUFFER, message.data());
  curl_library().easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
  curl_library().easy_setopt(c, CURLOPT_WRITEDATA, &transfer);
  curl_library().easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl_library().easy_setopt(c, CURLOPT_FAILONERROR, 1L);
  curl_library().easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_library().easy_setopt(c, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_library().easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_library().easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  curl_library().easy_setopt(c, CURLOPT_USERAGENT, "soma");
  if (offset > 0) {
    curl_library().easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(offset));
  }
  Outcome outcome;
  outcome.code = curl_library().easy_perform(c);
  curl_library().easy_getinfo(c, CURLINFO_RESPONSE_CODE, &outcome.response);
  outcome.problem = message[0] != 0 ? message.data() : curl_library().easy_strerror(outcome.code);
  if (std::fflush(file.get()) != 0 || fsync(fileno(file.get())) != 0) {
    transfer.failed_to_write = true;
  }
  if (transfer.failed_to_write) outcome.problem = "cannot write " + part.string();
  if (outcome.code == CURLE_OK) {
    transfer.progress.show(transfer.offset + transfer.received, transfer.received,
                           transfer.offset + transfer.received, true);
  }
  return outcome;
}

}  // namespace

std::string file_sha256(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw soma::FormatError("cannot read " + file.string() + ": " + std::strerror(errno));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> piece(1 << 16);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(in.gcount()));
  }
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

void download(const Download& what) {
  const std::string wanted = lower(what.sha256);
  if (fs::exists(what.file)) {
    if (wanted.empty()) {
      throw soma::StateError(what.file.string() + " is there already; remove it to fetch it again");
    }
    if (file_sha256(what.file) == wanted) {
      std::fprintf(stderr, "%s is here already\n", what.file.c_str());
      return;
    }
    throw soma::StateError(what.file.string() +
                           " is there, but is not the file that is meant: its SHA-256 differs; "
                           "remove it to fetch it");
  }
  if (what.file.has_parent_path()) make_folder(what.file.parent_path());
  const fs::path part = what.file.string() + ".part";
  curl_library().global_init(CURL_GLOBAL_DEFAULT);
  std::error_code ignored;
  Outcome outcome;
  // What is whole already is only checked; what is too long, or not to be continued, comes anew.
  const bool whole = what.size_bytes > 0 && fs::file_size(part, ignored) == what.size_bytes;
  if (!whole) {
    outcome = transfer_rest(what, part);
    constexpr long kRangeNotSatisfiable = 416;
    if (outcome.response == kRangeNotSatisfiable || outcome.code == CURLE_RANGE_ERROR ||
        outcome.code == CURLE_BAD_DOWNLOAD_RESUME) {
      fs::remove(part, ignored);
      outcome = transfer_rest(what, part);
    }
  }
  if (outcome.code != CURLE_OK) {
    const bool something = fs::file_size(part, ignored) > 0;
    if (!something) fs::remove(part, ignored);
    throw soma::StateError("fetch " + what.url + ": " + outcome.problem +
                           (something ? "; what came is in " + part.string() +
                                            ", and the same command goes on from there"
                                      : ""));
  }
  const std::string found = file_sha256(part);
  if (!wanted.empty() && found != wanted) {
    fs::remove(part, ignored);
    throw soma::StateError("fetch " + what.url + ": expected a file with the SHA-256 " + wanted +
                           ", found " + found + "; it has been removed");
  }
  fs::rename(part, what.file);
}
