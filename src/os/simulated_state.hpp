// The state that the handles of one simulated file system share.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "os/simulated_file_system.hpp"
#include "os/simulated_inode.hpp"

namespace quire::os {

struct SimulatedFileSystem::State {
  mutable std::mutex mutex;
  std::shared_ptr<const Hook> hook = std::make_shared<Hook>();
  std::uint64_t calls = 0;
  std::uint64_t capacity = UINT64_MAX;
  std::uint32_t write_back_one_in = 0;
  Random write_back_random;
  bool allocate_supported = true;
  bool direct_reads_supported = true;
  FileSystemKind kind{.name = "simulated", .is_network = false};
  std::shared_ptr<SimulatedInode> root = std::make_shared<SimulatedInode>(true);

  // Tells the hook; the outcome is the hook's.
  SimulatedOutcome enter(const char* operation, const std::string& path, ByteRange range = {}) {
    std::shared_ptr<const Hook> to_call;  // not a copy, which would forget what the hook counted
    SimulatedCall call{0, operation, path, range};
    {
      const std::lock_guard lock(mutex);
      call.number = calls++;
      to_call = hook;
    }
    return *to_call ? (*to_call)(call) : SimulatedOutcome{};
  }

  std::shared_ptr<SimulatedInode> find(const std::string& path) const {
    std::shared_ptr<SimulatedInode> inode = root;
    std::size_t at = 0;
    while (inode && at < path.size()) {
      const std::size_t start = path.find_first_not_of('/', at);
      if (start == std::string::npos) break;
      const std::size_t end = std::min(path.find('/', start), path.size());
      const std::string name = path.substr(start, end - start);
      at = end;
      if (name == ".") continue;
      if (!inode->is_directory) return nullptr;
      const auto found = inode->entries.find(name);
      inode = found == inode->entries.end() ? nullptr : found->second;
    }
    return inode;
  }

  static std::uint64_t allocated_under(const SimulatedInode& directory) {
    std::uint64_t total = 0;
    for (const auto& [name, inode] : directory.entries) {
      total += inode->is_directory ? allocated_under(*inode) : inode->allocated();
    }
    return total;
  }

  // True if the file may hold `size` bytes more than it has allocated.
  bool has_room(std::uint64_t more) const {
    if (capacity == UINT64_MAX) return true;
    const std::uint64_t used = allocated_under(*root);
    return used <= capacity && (more + kPage - 1) / kPage * kPage <= capacity - used;
  }

  void write_back_something(SimulatedInode& inode) {
    if (write_back_one_in == 0 || write_back_random() % write_back_one_in != 0) return;
    const std::vector<std::uint64_t> dirty = inode.dirty_pages();
    if (dirty.empty()) return;
    const std::uint64_t page = dirty[write_back_random() % dirty.size()];
    inode.set_image_page(page, inode.current_page(page));
  }
};

[[nodiscard]] std::unexpected<Error> simulated_failure(const char* operation, int errno_value,
                                                       const std::string& path,
                                                       ByteRange range = {});

// An open file.
[[nodiscard]] std::unique_ptr<File> make_simulated_file(
    std::string path, std::shared_ptr<SimulatedFileSystem::State> state,
    std::shared_ptr<SimulatedInode> inode, OpenMode mode);

}  // namespace quire::os
