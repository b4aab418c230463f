// What the tests of new files share.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/new_file.hpp"

namespace quire::os {

using Names = std::vector<std::string>;

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code()));
}

inline void fill(NewFile& file, std::string_view text) {
  EXPECT_TRUE(file.file().write_all(0, std::as_bytes(std::span(text))));
}

// All steps.
inline Result<void> write_new(FileSystem& files, const std::string& path, std::string_view text) {
  auto file = NewFile::create(files, path, IfExists::replace);
  if (!file) return std::unexpected(file.error());
  if (auto done = file->file().write_all(0, std::as_bytes(std::span(text))); !done) return done;
  return file->put_in_place();
}

}  // namespace quire::os
