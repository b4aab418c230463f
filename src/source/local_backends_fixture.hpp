// The sources of this machine as backends of the contract suites, over files of the real file system.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "quire/local_source.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {

// A directory of its own, and a file in it that others do things to.
class LocalFile {
 public:
  LocalFile() : directory_(make_directory()) {}
  ~LocalFile() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;

  std::string path() const { return directory_ / "object"; }

  void put(std::string_view bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }
  void overwrite(std::uint64_t offset, std::string_view bytes) const {
    let_the_clock_tick();
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }
  void cut(std::uint64_t size) const { std::filesystem::resize_file(path(), size); }
  void replace(std::string_view bytes) const {
    let_the_clock_tick();
    std::ofstream(path() + ".new", std::ios::binary) << bytes;
    std::filesystem::rename(path() + ".new", path());
  }

 private:
  static std::string make_directory() {
    std::string name = std::filesystem::temp_directory_path() / "quire-source-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    return name;
  }
  // A file system's clock moves every few milliseconds.
  static void let_the_clock_tick() { std::this_thread::sleep_for(std::chrono::milliseconds(25)); }

  const std::filesystem::path directory_;
};

struct FilePlace : LocalFile {
  static constexpr SourceTraits kTraits{.strength = IdentityStrength::compared,
                                        .can_be_overwritten = true,
                                        .can_be_cut = true,
                                        .can_be_replaced = true};
  std::shared_ptr<const ByteSource> make(std::string_view bytes) const {
    put(bytes);
    return open_again();
  }
  std::shared_ptr<const ByteSource> open_again() const { return open_file_source(path()).value(); }
};

// A map sees what others write, and a cut only where it reads.
struct MapPlace : LocalFile {
  static constexpr SourceTraits kTraits{.strength = IdentityStrength::size_only,
                                        .has_view = true,
                                        .can_be_overwritten = true,
                                        .shows_overwriting = true,
                                        .can_be_cut = true,
                                        .cut_spoils_all = false,
                                        .can_be_replaced = true};
  std::shared_ptr<const ByteSource> make(std::string_view bytes) const {
    put(bytes);
    return open_map_source(path()).value();
  }
};

struct MemoryPlace {
  static constexpr SourceTraits kTraits{.strength = IdentityStrength::strong, .has_view = true};
  static std::shared_ptr<const ByteSource> make(std::string_view bytes) {
    return memory_source(Bytes::copy(std::as_bytes(std::span(bytes))));
  }
};

}  // namespace quire::source
