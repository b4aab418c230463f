// Contest: ways to do the same work, run in turn for several rounds, so that what else the machine does
// meets all of them alike. Prints a table of times, and how many times as fast one is as another.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

// What is printed for a time: seconds times `scale`, in `unit`.
struct ContestUnit {
  double scale = 1e3;
  const char* unit = "ms";
};

// For one thread.
class Contest {
 public:
  Contest(std::string title, int rounds, ContestUnit unit = {})
      : title_(std::move(title)), rounds_(rounds), unit_(unit) {}

  // `run` does the work once and returns the seconds it took; NaN if it cannot.
  Contest& add(std::string name, std::function<double()> run) {
    contestants_.push_back({std::move(name), std::move(run), {}});
    return *this;
  }
  // `name` shall be at least `least` times as fast as `peer`.
  Contest& goal(std::string name, std::string peer, double least) {
    goals_.push_back({std::move(name), std::move(peer), least});
    return *this;
  }

  // False if --benchmark_filter leaves the title out.
  bool is_wanted() const {
    return std::regex_search(title_, std::regex(benchmark::GetBenchmarkFilter()));
  }

  // Every contestant has a first round that does not count.
  void run() {
    if (!is_wanted()) return;
    for (int round = -1; round < rounds_; ++round) {
      for (Contestant& contestant : contestants_) {
        const double seconds = contestant.run();
        if (round >= 0) contestant.seconds.push_back(seconds);
      }
    }
    std::printf("\n%s: %s, %d rounds in turn\n%10s %10s %10s\n", title_.c_str(), unit_.unit,
                rounds_, "median", "fastest", "slowest");
    for (const Contestant& contestant : contestants_) print(contestant);
    for (const Goal& goal : goals_) print(goal);
    std::fflush(stdout);
  }

 private:
  struct Contestant {
    std::string name;
    std::function<double()> run;
    std::vector<double> seconds;
  };
  struct Goal {
    std::string name;
    std::string peer;
    double least;
  };

  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  static bool is_available(const Contestant& contestant) {
    return std::none_of(contestant.seconds.begin(), contestant.seconds.end(),
                        [](double seconds) { return std::isnan(seconds); });
  }
  static double fastest(const Contestant& contestant) {
    return *std::min_element(contestant.seconds.begin(), contestant.seconds.end());
  }

  const Contestant& named(const std::string& name) const {
    return *std::find_if(contestants_.begin(), contestants_.end(),
                         [&](const Contestant& contestant) { return contestant.name == name; });
  }

  void print(const Contestant& contestant) const {
    if (!is_available(contestant)) {
      std::printf("%32s   %s\n", "not available", contestant.name.c_str());
      return;
    }
    const double slowest = *std::max_element(contestant.seconds.begin(), contestant.seconds.end());
    std::printf("%10.4g %10.4g %10.4g   %s\n", median(contestant.seconds) * unit_.scale,
                fastest(contestant) * unit_.scale, slowest * unit_.scale, contestant.name.c_str());
  }

  // The ratio is the median of the rounds' own ratios.
  void print(const Goal& goal) const {
    const Contestant& ours = named(goal.name);
    const Contestant& peer = named(goal.peer);
    if (!is_available(ours) || !is_available(peer)) return;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.seconds.size(); ++i) {
      ratios.push_back(peer.seconds[i] / ours.seconds[i]);
    }
    const double ratio = median(ratios);
    std::printf("  %s is %.2f times as fast as %s (by the fastest: %.2f); goal %.2f: %s\n",
                goal.name.c_str(), ratio, goal.peer.c_str(), fastest(peer) / fastest(ours),
                goal.least, ratio >= goal.least ? "met" : "MISSED");
  }

  std::string title_;
  int rounds_;
  ContestUnit unit_;
  std::vector<Contestant> contestants_;
  std::vector<Goal> goals_;
};
