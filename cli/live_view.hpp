// A few lines on a terminal that are replaced in place, as top does.
#pragma once

#include <string>
#include <vector>

namespace quire::cli {

// True if standard output is a terminal that can be drawn on.
bool can_draw_on_standard_output();

// While it lives, the terminal shows its own screen; afterwards it is as before. Single-thread, one at a
// time. REQUIRES: can_draw_on_standard_output().
class LiveView {
 public:
  LiveView();
  ~LiveView();
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  // Replaces what is shown, cut to the size that the terminal has now.
  void show(const std::vector<std::string>& lines);
};

}  // namespace quire::cli
