// A simulated disk with mapped files on it, for tests that fail calls and cut the power.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapped/factory.hpp"
#include "mapped/mapped_file_fixture.hpp"
#include "os/simulated_file_system.hpp"

namespace quire::mapped {

class SimulatedDiskTest : public MappedFileTest {
 protected:
  using Disk = os::SimulatedFileSystem;
  static constexpr const char* kPath = "/file";

  Result<MappedFile> make(std::uint64_t size, const MappedFileOptions& options = {}) {
    return Factory::create(disk_, kPath, size, options);
  }
  MappedFile open(Access access = Access::read_write) {
    return Factory::open(disk_, kPath, access, {}).value();
  }
  // A durable file.
  static void put(Disk& disk, const std::string& path, std::string_view text) {
    auto file = disk.open(path, os::OpenMode::create_new, 0640).value();
    EXPECT_TRUE(file->write_all(0, as_bytes(text)));
    EXPECT_TRUE(file->sync());
    EXPECT_TRUE(disk.sync_directory("/"));
  }
  // The code of the error if it cannot be read.
  static std::string read(Disk& disk, const std::string& path = kPath) {
    auto file = disk.open(path, os::OpenMode::read, 0);
    if (!file) return code_of(file);
    std::vector<std::byte> bytes((*file)->info().value().size);
    EXPECT_TRUE((*file)->read_exactly(0, bytes));
    return text(bytes);
  }
  std::unique_ptr<Disk> cut_power(os::Survivors survivors = os::Survivors::none) {
    return disk_.power_cut(survivors, random_);
  }
  // Fails the next call of this kind, once.
  void fail_next(const std::string& operation, int errno_value) {
    auto spent = std::make_shared<bool>(false);
    disk_.set_hook([=](const os::SimulatedCall& call) {
      const bool now = !*spent && operation == call.operation;
      *spent = *spent || now;
      return os::SimulatedOutcome{.fail_with = now ? errno_value : 0};
    });
  }
  // Fails the call of this number, counted from now.
  void fail_call(std::uint64_t number, int errno_value) {
    const std::uint64_t target = disk_.calls() + number;
    disk_.set_hook([=](const os::SimulatedCall& call) {
      return os::SimulatedOutcome{.fail_with = call.number == target ? errno_value : 0};
    });
  }

  os::Random random_{20240607};
  Disk disk_;
};

}  // namespace quire::mapped
