// quire stats: what a store is doing, once or again and again.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/live_view.hpp"
#include "cli/output.hpp"
#include "cli/stats_text.hpp"
#include "cli/store_look.hpp"

namespace quire::cli {
namespace {

using std::chrono::steady_clock;

struct Arguments {
  std::string directory;
  bool prometheus = false;
  std::optional<double> watch;  // seconds between two looks
};

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

nlohmann::ordered_json as_json(const StoreLook& look) {
  nlohmann::ordered_json json = {{"has_writer", look.has_writer}};
  json.update(look.metrics);
  return json;
}

void print(const Arguments& arguments, const Settings& settings, const StoreLook& look) {
  if (settings.json) {
    print_json(as_json(look));
  } else if (arguments.prometheus) {
    print_text(stats_prometheus(arguments.directory, look));
  } else {
    for (const std::string& line : stats_lines(arguments.directory, look, nullptr)) {
      print_line("{}", line);
    }
  }
}

// False if the user asked to stop meanwhile.
bool wait(double seconds, const InterruptGuard& interrupt) {
  constexpr std::chrono::duration<double> kSlice(0.05);
  const auto end = steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!interrupt.requested()) {
    const std::chrono::duration<double> left = end - steady_clock::now();
    if (left.count() <= 0) return true;
    std::this_thread::sleep_for(std::min(left, kSlice));
  }
  return false;
}

// Calls `show` with each look and the one before until the user asks to stop.
template <class Show>
Outcome<> watch(const Arguments& arguments, const Settings& settings,
                const InterruptGuard& interrupt, Show show) {
  StoreLooks looks(arguments.directory, settings);
  std::optional<StoreLook> before;
  do {
    QUIRE_TRY(StoreLook now, looks.look());
    show(now, before ? &*before : nullptr);
    if (flush_output()) return {};  // nobody reads it any more; main says so
    before = std::move(now);
  } while (wait(*arguments.watch, interrupt));
  return {};
}

Outcome<> watch(const Arguments& arguments, const Settings& settings) {
  const InterruptGuard interrupt;
  Outcome<> ended;
  if (settings.json || arguments.prometheus) {
    ended = watch(arguments, settings, interrupt,
                  [&](const StoreLook& now, const StoreLook*) { print(arguments, settings, now); });
  } else if (can_draw_on_standard_output()) {
    LiveView view;
    ended =
        watch(arguments, settings, interrupt, [&](const StoreLook& now, const StoreLook* before) {
          view.show(stats_lines(arguments.directory, now, before));
        });
  } else {
    ended =
        watch(arguments, settings, interrupt, [](const StoreLook& now, const StoreLook* before) {
          print_line("{}", stats_line(time_of_day(), now, before));
        });
  }
  // Ctrl-C is how one leaves a watch; another signal means that somebody else ends it.
  if (ended && interrupt.requested() && interrupt.exit_status() != 128 + SIGINT) {
    return fail(interrupt.exit_status(), "stats: terminated");
  }
  return ended;
}

Outcome<> show_stats(const Arguments& arguments, const Settings& settings) {
  if (settings.json && arguments.prometheus) {
    return fail(kWrongUsage, "stats: --json and --prometheus exclude each other");
  }
  if (arguments.watch) return watch(arguments, settings);
  StoreLooks looks(arguments.directory, settings);
  QUIRE_TRY(const StoreLook look, looks.look());
  print(arguments, settings, look);
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_flag(app, "--prometheus", arguments->prometheus, "As text for a scrape by Prometheus");
  add_interval(app, "--watch", arguments->watch, "Look again every so many seconds, 1 unless said");
  return [arguments](const Settings& settings) { return show_stats(*arguments, settings); };
}

}  // namespace

Command stats_command() {
  return {
      "Look", "stats", "Show what a store is doing: latencies, rates, sizes",
      "Works beside a writer and changes nothing. Latencies and rates are the writer's, if there\n"
      "is one; Ctrl-C ends a watch.\n\n"
      "Example:\n"
      "  quire stats photos --watch",
      declare};
}

}  // namespace quire::cli
