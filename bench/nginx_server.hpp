// NginxServer: a web server of this machine only, for benchmarks: it serves the files of one folder.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

// One process of one thread, on the machine's last processor. Ends with the object, and with this process.
class NginxServer {
 public:
  explicit NginxServer(std::filesystem::path folder) : folder_(std::move(folder)) {
    // Another program may take the port that was free a moment ago.
    for (int tries = 0; tries < 5; ++tries) {
      if (try_to_start()) return;
    }
    std::fputs("nginx does not start\n", stderr);
    std::exit(1);
  }
  ~NginxServer() { stop(); }
  NginxServer(const NginxServer&) = delete;
  NginxServer& operator=(const NginxServer&) = delete;

  static bool is_installed() { return ::access(kProgram, X_OK) == 0; }
  static int processor() { return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)) - 1; }

  std::string url(const std::string& name) const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/" + name;
  }

  // What it has taken since it began.
  struct Counts {
    std::uint64_t connections = 0;
    std::uint64_t requests = 0;
  };
  // Asking costs a connection and a request, which are not counted.
  Counts counts() const {
    const int socket = connect();
    const std::string request = "GET /status HTTP/1.0\r\n\r\n";
    std::string answer;
    if (socket >= 0 && ::write(socket, request.data(), request.size()) > 0) {
      std::array<char, 1024> piece{};
      for (ssize_t got = 0; (got = ::read(socket, piece.data(), piece.size())) > 0;) {
        answer.append(piece.data(), static_cast<std::size_t>(got));
      }
    }
    ::close(socket);
    ++asked_;
    // Below this line are three numbers: connections, those that were handled, requests.
    constexpr const char* kHeading = "server accepts handled requests\n";
    const std::size_t heading = answer.find(kHeading);
    unsigned long long accepted = 0;
    unsigned long long requests = 0;
    if (heading == std::string::npos ||
        std::sscanf(answer.c_str() + heading + std::char_traits<char>::length(kHeading),
                    " %llu %*u %llu", &accepted, &requests) != 2) {
      std::fputs("nginx does not count\n", stderr);
      std::exit(1);
    }
    return {accepted - asked_, requests - asked_};
  }

 private:
  static constexpr const char* kProgram = "/usr/sbin/nginx";

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
    ::bind(socket, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(socket);
    return ntohs(address.sin_port);
  }
  // Less than zero if it does not answer.
  int connect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port_);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return socket;
    }
    ::close(socket);
    return -1;
  }

  bool try_to_start() {
    port_ = free_port();
    const std::string settings = folder_ / "nginx.conf";
    const std::string errors = folder_ / "errors";
    write_settings(settings, errors);
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      cpu_set_t processors;
      CPU_ZERO(&processors);
      CPU_SET(processor(), &processors);
      ::sched_setaffinity(0, sizeof processors, &processors);
      ::execl(kProgram, kProgram, "-e", errors.c_str(), "-c", settings.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 500 && ::waitpid(process_, nullptr, WNOHANG) == 0; ++i) {
      if (const int socket = connect(); socket >= 0) {
        ::close(socket);
        ++asked_;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        // Else it was another program that answered.
        if (::waitpid(process_, nullptr, WNOHANG) == 0) return true;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop();
    return false;
  }
  void stop() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

  // With tcp_nopush the ends of ranges wait some 40 ms.
  void write_settings(const std::string& path, const std::string& errors) const {
    const std::string folder = folder_;
    std::ofstream(path) << "daemon off; master_process off; pid " << folder << "/pid;\n"
                        << "error_log " << errors << ";\n"
                        << "events { worker_connections 512; }\n"
                        << "http { access_log off; sendfile on; tcp_nopush off;\n"
                        << "keepalive_requests 100000000; keepalive_timeout 1h;\n"
                        << "client_body_temp_path " << folder << "/body;\n"
                        << "proxy_temp_path " << folder << "/proxy;\n"
                        << "fastcgi_temp_path " << folder << "/fastcgi;\n"
                        << "uwsgi_temp_path " << folder << "/uwsgi;\n"
                        << "scgi_temp_path " << folder << "/scgi;\n"
                        << "server { listen 127.0.0.1:" << port_ << "; root " << folder << ";\n"
                        << "location = /status { stub_status; } } }\n";
  }

  const std::filesystem::path folder_;
  int port_ = 0;
  pid_t process_ = -1;
  mutable std::uint64_t asked_ = 0;
};
