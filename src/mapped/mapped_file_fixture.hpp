// What the tests of mapped files share: a directory of their own, and counts of what may leak.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "quire/mapped_file.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIRE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUIRE_TEST_SANITIZED 1
#endif
#endif

namespace quire::mapped {

inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code()));
}

class MappedFileTest : public testing::Test {
 protected:
  MappedFileTest() : directory_(parent() / unique_name()) {
    std::filesystem::create_directories(directory_);
  }
  ~MappedFileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  MappedFileTest(const MappedFileTest&) = delete;
  MappedFileTest& operator=(const MappedFileTest&) = delete;

  std::string path(std::string_view name = "file") const { return directory_ / name; }
  const std::filesystem::path& directory() const { return directory_; }

  static MappedFile open(const std::string& name, Access access = Access::read_write,
                         const MappedFileOptions& options = {}) {
    auto file = MappedFile::open(name, access, options);
    EXPECT_TRUE(file) << file.error().message();
    return file ? *std::move(file) : MappedFile();
  }
  MappedFile create(std::uint64_t size, const MappedFileOptions& options = {}) const {
    auto file = MappedFile::create(path(), size, options);
    EXPECT_TRUE(file) << file.error().message();
    return file ? *std::move(file) : MappedFile();
  }

  static void put(const std::string& name, std::string_view text) {
    std::ofstream(name, std::ios::binary) << text;
  }
  // The file as another program reads it.
  static std::string contents(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string text(const MappedFile& file, std::uint64_t offset, std::uint64_t length) {
    auto bytes = file.bytes(offset, length);
    return bytes ? text(*bytes) : code_of(bytes);
  }
  // As another process does it.
  static void cut(const std::string& name, std::uint64_t size) {
    std::filesystem::resize_file(name, size);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      found.push_back(entry.path().filename());
    }
    std::ranges::sort(found);
    return found;
  }

  // Open descriptors, and stretches of address space that are a file's or reserved.
  struct Held {
    std::ptrdiff_t descriptors = 0;
    std::ptrdiff_t maps = 0;
    friend bool operator==(const Held&, const Held&) = default;
    friend void PrintTo(const Held& held, std::ostream* out) {
      *out << held.descriptors << " descriptors, " << held.maps << " maps";
    }
  };
  Held held() const {
    Held now;
    now.descriptors = std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      const bool ours = line.find(directory_.string()) != std::string::npos ||
                        line.find("quire-simulated") != std::string::npos;
#ifdef QUIRE_TEST_SANITIZED
      const bool reserved = false;  // a sanitizer's allocator reserves whenever it likes
#else
      const bool reserved = line.find("---p 00000000 00:00 0") != std::string::npos;
#endif
      now.maps += ours || reserved ? 1 : 0;
    }
    return now;
  }

  // Dirty pages of a file in the page cache; nothing if the system cannot tell.
  static std::optional<std::uint64_t> dirty_pages(const std::string& name) {
    constexpr long kCachestat = 451;
    const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    const std::array<std::uint64_t, 2> range{0, 0};
    std::array<std::uint64_t, 5>
        counts{};  // cached, dirty, in writeback, evicted, recently evicted
    const long result = ::syscall(kCachestat, descriptor, range.data(), counts.data(), 0);
    ::close(descriptor);
    if (result != 0) return std::nullopt;
    return counts[1] + counts[2];
  }

 private:
  static std::filesystem::path parent() { return testing::TempDir(); }
  static std::string unique_name() {
    static std::atomic<int> counter = 0;
    return "quire-mapped-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  }

  const std::filesystem::path directory_;
};

}  // namespace quire::mapped
