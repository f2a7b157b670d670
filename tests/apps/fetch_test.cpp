// soma data fetch against a server of the test's own, which can cut a transfer off.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "command.hpp"

namespace {

namespace fs = std::filesystem;

/// Answers GET for one file over HTTP/1.1, a connection each, on a port of the loopback.
class Server {
 public:
  enum class Ranges { served, ignored, refused };

  explicit Server(std::string content) : content_(std::move(content)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  std::atomic<Ranges> ranges = Ranges::served;
  std::atomic<std::size_t> cut_after = std::string::npos;  ///< bytes of a body

 private:
  void serve() {
    for (int peer; (peer = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(peer)) answer(peer);
  }

  void answer(int peer) {
    std::string request;
    char piece[2048];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(peer, piece, sizeof piece, 0);
      if (got <= 0) return;
      request.append(piece, static_cast<std::size_t>(got));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    std::size_t from = 0;
    const auto range = request.find("Range: bytes=");
    if (range != std::string::npos) from = std::stoul(request.substr(range + 13));
    const auto length = [](std::size_t n) {
      return "Content-Length: " + std::to_string(n) + "\r\nConnection: close\r\n\r\n";
    };
    if (request.starts_with("GET /missing"))
      return send(peer, "HTTP/1.1 404 Not Found\r\n" + length(0));
    if (from > 0 && (ranges == Ranges::refused || from >= content_.size())) {
      return send(peer, "HTTP/1.1 416 Range Not Satisfiable\r\n" + length(0));
    }
    if (ranges == Ranges::ignored) from = 0;
    const std::string body = content_.substr(from);
    std::string head = "HTTP/1.1 200 OK\r\n";
    if (from > 0) {
      head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(from) + "-" +
             std::to_string(content_.size() - 1) + "/" + std::to_string(content_.size()) + "\r\n";
    }
    send(peer, head + length(body.size()) + body.substr(0, cut_after));
  }

  static void send(int peer, const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }

  std::string content_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

std::string numbers() {
  std::string text;
  for (int i = 0; i < 40000; ++i) text += std::to_string(i) + "\n";
  return text;
}

// Of numbers(), by sha256sum.
constexpr const char* kSum = "bc7fcf79396e459f23361ed2a5b86552598dfaa6e90d4aafab013f8debdf6c3d";

class Fetch : public testing::Test {
 protected:
  Outcome fetch(const Words& more) const {
    Words words = {"data", "fetch"};
    words.insert(words.end(), more.begin(), more.end());
    return soma_command(words, folder_.path());
  }
  std::string file(const std::string& name) const { return read_text(folder_.path() / name); }
  bool exists(const std::string& name) const { return fs::exists(folder_.path() / name); }

  TemporaryFolder folder_;
  Server server_{numbers()};
};

TEST_F(Fetch, GetsAFileAndChecksIt) {
  const Words words = {server_.url("/a/numbers.txt?x=1"), "--sha256", kSum, "--json"};
  const Outcome outcome = fetch(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["files"][0], "numbers.txt");
  EXPECT_EQ(file("numbers.txt"), numbers());
  EXPECT_FALSE(exists("numbers.txt.part"));
  // A second time nothing is transferred.
  EXPECT_EQ(fetch(words).exit_code, 0);
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(Fetch, GoesOnWhereItWasCutOff) {
  const Words words = {server_.url("/n"), "--sha256", kSum, "--to", "deep/er/n.txt"};
  server_.cut_after = 100000;
  const Outcome cut = fetch(words);
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_NE(cut.err.find("what came is in deep/er/n.txt.part"), std::string::npos) << cut.err;
  EXPECT_EQ(file("deep/er/n.txt.part").size(), 100000u);
  EXPECT_FALSE(exists("deep/er/n.txt"));
  server_.cut_after = std::string::npos;
  ASSERT_EQ(fetch(words).exit_code, 0);
  EXPECT_NE(server_.requests().back().find("Range: bytes=100000-"), std::string::npos);
  EXPECT_EQ(file("deep/er/n.txt"), numbers());
}

TEST_F(Fetch, BeginsAnewWithServersThatCannotGoOn) {
  for (const auto ranges : {Server::Ranges::ignored, Server::Ranges::refused}) {
    const std::string name = ranges == Server::Ranges::ignored ? "ignored" : "refused";
    server_.ranges = ranges;
    write_text(folder_.path() / (name + ".part"), "what another file began with");
    const Outcome outcome = fetch({server_.url("/n"), "--sha256", kSum, "--to", name});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(file(name), numbers());
  }
}

TEST_F(Fetch, RemovesWhatIsNotTheFile) {
  write_text(folder_.path() / "n.part", "what another file began with");
  const Outcome wrong = fetch({server_.url("/n"), "--sha256", kSum});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.err.find("expected a file with the SHA-256 " + std::string(kSum) + ", found "),
            std::string::npos)
      << wrong.err;
  EXPECT_FALSE(exists("n"));
  EXPECT_FALSE(exists("n.part"));
}

TEST_F(Fetch, SaysWhatIsWrong) {
  const Outcome missing = fetch({server_.url("/missing")});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("404"), std::string::npos) << missing.err;
  EXPECT_FALSE(exists("missing"));
  EXPECT_FALSE(exists("missing.part"));
  EXPECT_EQ(fetch({"http://127.0.0.1:1/n"}).exit_code, 1);
  EXPECT_EQ(fetch({"nothing"}).exit_code, 2);
  EXPECT_EQ(fetch({server_.url("/n"), "--sha256", "abc"}).exit_code, 2);
  EXPECT_EQ(fetch({"wine", "--to", "x"}).exit_code, 2);
  EXPECT_EQ(soma_command({"data", "list", "--from", "x"}, folder_.path()).exit_code, 2);
}

}  // namespace
