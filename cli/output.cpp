#include "cli/output.hpp"

#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace quire::cli {
namespace {

std::optional<int> first_failure;

void note_failure() {
  if (!first_failure) first_failure = errno != 0 ? errno : EIO;
  std::clearerr(stdout);
}

}  // namespace

void prepare_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int descriptor : {0, 1, 2}) {
    // Read-only, so that writing to what the caller closed still fails.
    if (::fcntl(descriptor, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
  }
}

void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) note_failure();
}

void print_json(const nlohmann::ordered_json& value) {
  // A path may hold bytes that are no UTF-8.
  using Json = nlohmann::ordered_json;
  print_text(value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  (void)flush_output();
}

std::optional<int> flush_output() {
  if (std::fflush(stdout) != 0) note_failure();
  return first_failure;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += letter;
    }
  }
  return line;
}

void print_error(std::string_view message) {
  const std::string line = "quire: " + one_line(message) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace quire::cli
