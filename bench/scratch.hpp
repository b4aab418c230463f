// Scratch: a directory in the current one, for what a benchmark writes.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

// Goes with the object.
class Scratch {
 public:
  Scratch() {
    std::string pattern = std::filesystem::current_path() / "bench-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};
