#include "cli/live_view.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "cli/output.hpp"

namespace quire::cli {
namespace {

// Control sequences of ECMA-48 and xterm.
constexpr std::string_view kOwnScreen = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kScreenBefore = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kTopLeft = "\x1b[H";
constexpr std::string_view kEraseLine = "\x1b[K";
constexpr std::string_view kEraseBelow = "\x1b[J";

bool begins_letter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

// At most so many letters of UTF-8, and no control character among them.
std::string cut(const std::string& line, std::size_t letters) {
  std::string text;
  std::size_t count = 0;
  for (const char byte : line) {
    if (begins_letter(byte) && ++count > letters) break;
    const auto code = static_cast<unsigned char>(byte);
    text += code < 0x20 || code == 0x7f ? '?' : byte;
  }
  return text;
}

}  // namespace

bool can_draw_on_standard_output() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

LiveView::LiveView() {
  print_text(kOwnScreen);
  (void)flush_output();
}

LiveView::~LiveView() {
  print_text(kScreenBefore);
  (void)flush_output();
}

void LiveView::show(const std::vector<std::string>& lines) {
  winsize size{};
  const bool known =
      ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
  const std::size_t columns = known ? size.ws_col : 80;
  const std::size_t rows = std::min<std::size_t>(lines.size(), known ? size.ws_row : 24);
  std::string frame(kTopLeft);
  for (std::size_t i = 0; i < rows; ++i) {
    if (i > 0) frame += '\n';
    frame += cut(lines[i], columns);
    frame += kEraseLine;
  }
  frame += kEraseBelow;
  print_text(frame);
  (void)flush_output();
}

}  // namespace quire::cli
