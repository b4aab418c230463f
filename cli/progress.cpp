#include "cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cli/wording.hpp"

namespace quire::cli {
namespace {

constexpr auto kFirstShown = std::chrono::milliseconds(250);
constexpr auto kShownAgain = std::chrono::milliseconds(100);
constexpr int kBarColumns = 24;

bool is_shown_on_standard_error() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// Carriage return, then erase to the end of the line.
constexpr std::string_view kClear = "\r\x1b[K";

}  // namespace

Progress::Progress(std::string verb, std::string unit, std::uint64_t total)
    : verb_(std::move(verb)),
      unit_(std::move(unit)),
      total_(total),
      enabled_(is_shown_on_standard_error()),
      next_(begin_ + kFirstShown) {}

Progress::~Progress() {
  if (shown_) std::fwrite(kClear.data(), 1, kClear.size(), stderr);
}

void Progress::update(std::uint64_t done) { update(done, total_); }

void Progress::update(std::uint64_t done, std::uint64_t total) {
  done_ = done;
  total_ = total;
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + kShownAgain;
  shown_ = true;
  const std::string text =
      std::string(kClear) +
      line(std::chrono::duration<double>(now - begin_).count(), terminal_columns());
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string Progress::line(double seconds, int columns) const {
  const double share =
      total_ == 0 ? 0 : std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const auto filled = static_cast<std::size_t>(share * kBarColumns);
  std::string text =
      fmt::format("{} [{}{}] {:3.0f} %  {} {}s/s", verb_, std::string(filled, '#'),
                  std::string(kBarColumns - filled, '-'), share * 100, rate(done_, seconds), unit_);
  if (share > 0) text += fmt::format("  {} left", duration(seconds / share - seconds));
  // ASCII but for a "µ", so bytes are columns at least; a line that wrapped could not be removed.
  if (text.size() >= static_cast<std::size_t>(columns)) {
    text.resize(static_cast<std::size_t>(columns) - 1);
  }
  return text;
}

}  // namespace quire::cli
