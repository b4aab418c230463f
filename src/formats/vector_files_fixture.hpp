// What the tests of vector files speak: a folder of their own, and files as strings of bytes.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "quire/vector_files.hpp"

namespace quire::formats {

// Numbers that mean nothing. NOLINTBEGIN(clang-analyzer-optin.core.EnumCastOutOfRange)
inline const auto kNoFormat = static_cast<VectorFormat>(77);
inline const auto kNoElementType = static_cast<ElementType>(77);
// NOLINTEND(clang-analyzer-optin.core.EnumCastOutOfRange)

// The little-endian bytes of the numbers.
template <class T>
std::string bytes_of(std::initializer_list<T> numbers) {
  std::string bytes(numbers.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), std::data(numbers), bytes.size());
  return bytes;
}

// A row of fvecs, bvecs or ivecs.
template <class T>
std::string texmex_row(std::initializer_list<T> numbers) {
  return bytes_of({static_cast<std::int32_t>(numbers.size())}) + bytes_of(numbers);
}

// An npy file of version 1.0 with that dictionary, padded as NumPy pads.
inline std::string npy_file(std::string dictionary, const std::string& elements) {
  dictionary.append(63 - (10 + dictionary.size()) % 64, ' ').append("\n");
  return "\x93NUMPY\x01" + std::string(1, '\0') +
         bytes_of({static_cast<std::uint16_t>(dictionary.size())}) + dictionary + elements;
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class VectorFilesTest : public testing::Test {
 protected:
  VectorFilesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "quire-formats-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~VectorFilesTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  const std::string& save(const std::string& name, const std::string& bytes) {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return last_ = path(name);
  }
  std::string load(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The names in the folder.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      result.push_back(entry.path().filename().string());
    }
    std::ranges::sort(result);
    return result;
  }
  // All that is left in a reader, `max_rows` at a time.
  static std::string drain(VectorFileReader& reader, std::size_t max_rows = 1'000'000) {
    std::string all;
    for (;;) {
      auto rows = reader.next(max_rows);
      if (!rows) return rows.error().message();
      if (rows->empty()) return all;
      all += as_text(*rows);
    }
  }

 private:
  std::filesystem::path folder_;
  std::string last_;
};

}  // namespace quire::formats
