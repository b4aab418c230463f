// Real servers for tests, of this machine only: each has a folder whose files it serves, and ends with its object.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace quire::remote {

class ServerFolder {
 public:
  ServerFolder() {
    std::string name = std::filesystem::temp_directory_path() / "quire-server-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
    std::filesystem::create_directories(path_ / "www");
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~ServerFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ServerFolder(const ServerFolder&) = delete;
  ServerFolder& operator=(const ServerFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path root() const { return path_ / "www"; }
  void put(const std::string& name, std::string_view bytes) const {
    std::ofstream(root() / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
};

// A program that is killed with its object, and with this process.
class Child {
 public:
  enum class Input { kOfThisProcess, kPipe };

  explicit Child(const std::vector<std::string>& command, Input input = Input::kOfThisProcess) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    std::array<int, 2> input_pipe{-1, -1};
    if (input == Input::kPipe) {
      EXPECT_EQ(::pipe2(input_pipe.data(), O_CLOEXEC), 0);
    }
    std::vector<char*> words;
    words.reserve(command.size() + 1);
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(pipe[1], STDOUT_FILENO);
      if (input == Input::kPipe) ::dup2(input_pipe[0], STDIN_FILENO);
      ::execvp(words[0], words.data());
      ::_exit(127);
    }
    EXPECT_GT(process_, 0);
    ::close(pipe[1]);
    output_ = pipe[0];
    if (input == Input::kPipe) ::close(input_pipe[0]);
    input_ = input_pipe[1];
  }
  ~Child() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    ::close(output_);
    close_input();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // To its standard input, which is a pipe.
  void write(std::string_view text) const {
    EXPECT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_input() {
    if (input_ >= 0) ::close(input_);
    input_ = -1;
  }
  // The next line of its standard output; what there is, if it ends before.
  std::string line() const {
    std::string line;
    for (char c = 0; ::read(output_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  bool has_ended() {
    if (process_ > 0 && ::waitpid(process_, nullptr, WNOHANG) == process_) process_ = -1;
    return process_ < 0;
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
  int input_ = -1;
};

inline std::string base_url(int port) { return "http://127.0.0.1:" + std::to_string(port) + "/"; }

// tests/fault_server.py, which see.
class FaultServer {
 public:
  explicit FaultServer(const std::string& address = "127.0.0.1")
      : child_({"python3", QUIRE_FAULT_SERVER, folder_.root(), address}),
        port_(std::atoi(child_.line().c_str())) {
    EXPECT_GT(port_, 0) << "the server does not start";
  }

  void put(const std::string& name, std::string_view bytes) const { folder_.put(name, bytes); }
  std::string url(const std::string& name, const std::string& query = "") const {
    return base_url(port_) + name + (query.empty() ? "" : "?" + query);
  }
  int port() const noexcept { return port_; }

 private:
  const ServerFolder folder_;
  const Child child_;
  const int port_;
};

// nginx, with its defaults for files, over HTTP, and over TLS as "localhost" with a certificate of its own;
// /down redirects from TLS to the other.
class Nginx {
 public:
  // Another program may take the port that was free a moment ago: then nginx ends, and the next is tried.
  Nginx() {
    for (int tries = 0; tries < 5 && child_ == nullptr; ++tries) {
      port_ = free_port();
      tls_port_ = free_port();
      child_ = std::make_unique<Child>(command());
      for (int i = 0; i < 500 && !child_->has_ended() && !answers(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (child_->has_ended()) child_.reset();
    }
    EXPECT_TRUE(child_ != nullptr && answers()) << "nginx does not start";
  }

  const ServerFolder& folder() const noexcept { return folder_; }
  std::string url(const std::string& name) const { return base_url(port_) + name; }
  std::string tls_url(const std::string& name, const std::string& host = "localhost") const {
    std::string url = "https://" + host;
    return url.append(":").append(std::to_string(tls_port_)).append("/").append(name);
  }
  // The authority that signed it: itself.
  std::string certificate() const { return folder_.path() / "certificate.pem"; }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length), 0);
    ::close(socket);
    return ntohs(address.sin_port);
  }
  bool answers() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port_);
    const bool connected =
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return connected;
  }
  void make_certificate() const {
    const std::string folder = folder_.path();
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout " +
        folder + "/key.pem -out " + folder + "/certificate.pem 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
  }
  std::vector<std::string> command() const {
    const std::string folder = folder_.path();
    make_certificate();
    std::ofstream(folder_.path() / "nginx.conf")
        << "daemon off; master_process off; pid " << folder << "/pid;\n"
        << "error_log " << folder << "/errors;\n"
        << "events { worker_connections 256; }\n"
        << "http { access_log off; sendfile on; tcp_nopush off; open_file_cache off;\n"
        << "client_body_temp_path " << folder << "/body; proxy_temp_path " << folder << "/proxy;\n"
        << "fastcgi_temp_path " << folder << "/fastcgi; uwsgi_temp_path " << folder << "/uwsgi;\n"
        << "scgi_temp_path " << folder << "/scgi;\n"
        << "ssl_certificate " << folder << "/certificate.pem;\n"
        << "ssl_certificate_key " << folder << "/key.pem;\n"
        << "server { listen 127.0.0.1:" << port_ << "; listen 127.0.0.1:" << tls_port_
        << " ssl http2; root " << folder << "/www;\n"
        << "location /down { return 302 http://127.0.0.1:" << port_ << "/object; } } }\n";
    return {"/usr/sbin/nginx", "-e", folder + "/errors", "-c", folder + "/nginx.conf"};
  }

  const ServerFolder folder_;
  int port_ = 0;
  int tls_port_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace quire::remote
