#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "os/errno.hpp"
#include "os/simulated_state.hpp"

namespace quire::os {

namespace {

class SimulatedFile final : public File {
 public:
  SimulatedFile(std::string path, std::shared_ptr<SimulatedFileSystem::State> state,
                std::shared_ptr<SimulatedInode> inode, OpenMode mode)
      : File(std::move(path), inode->id()),
        state_(std::move(state)),
        inode_(std::move(inode)),
        mode_(mode) {}

  ~SimulatedFile() override {
    const std::lock_guard lock(state_->mutex);
    inode_->exclusive_locks -= holds_exclusive_ ? 1 : 0;
    inode_->shared_locks -= holds_shared_ ? 1 : 0;
  }
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> out) override {
    const ByteRange range{offset, out.size()};
    const SimulatedOutcome outcome = state_->enter("read", path(), range);
    if (outcome.fail_with != 0) {
      return std::unexpected(read_error(outcome.fail_with, path(), range));
    }
    if (mode_ == OpenMode::read_direct) return read_image(offset, out);
    const ssize_t got =
        ::pread(inode_->descriptor, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) return std::unexpected(read_error(errno, path(), range));
    return static_cast<std::size_t>(got);
  }

  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    const ByteRange range{offset, in.size()};
    const SimulatedOutcome outcome = state_->enter("write", path(), range);
    if (outcome.fail_with != 0) return simulated_failure("write", outcome.fail_with, path(), range);
    const bool is_writable = mode_ == OpenMode::read_write || mode_ == OpenMode::create_new;
    if (!is_writable) return simulated_failure("write", EBADF, path(), range);
    if (in.empty()) return 0;
    const std::lock_guard lock(state_->mutex);
    std::size_t length = in.size();
    if (outcome.write_limit > 0) length = std::min<std::size_t>(length, outcome.write_limit);
    // As the kernel does: what fits is written, then the next call finds no room.
    const std::uint64_t before = inode_->size();
    if (range.end() > before) {
      while (length > 0 && offset + length > before &&
             !state_->has_room(offset + length - std::min(offset + length, before))) {
        length -= std::min<std::size_t>(length, kPage);
      }
      if (length == 0) return simulated_failure("write", ENOSPC, path(), range);
    }
    const ssize_t put = ::pwrite(inode_->descriptor, in.data(), length, static_cast<off_t>(offset));
    require(put == static_cast<ssize_t>(length), "pwrite");
    inode_->mark_written({offset, length});
    note_change(before);
    state_->write_back_something(*inode_);
    return length;
  }

  Result<FileInfo> info() override {
    QUIRE_CHECK(enter("stat"));
    const std::lock_guard lock(state_->mutex);
    FileInfo info;
    info.size = inode_->size();
    info.allocated_bytes = inode_->allocated();
    info.permissions = inode_->permissions;
    info.modified_ns = inode_->modified;
    info.id = id();
    return info;
  }

  Result<SpaceInfo> space() override {
    QUIRE_CHECK(enter("statfs"));
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t used = SimulatedFileSystem::State::allocated_under(*state_->root);
    return SpaceInfo{state_->capacity - std::min(state_->capacity, used), true};
  }

  Result<void> allocate(ByteRange range) override {
    QUIRE_CHECK(enter("allocate", range));
    if (!state_->allocate_supported)
      return simulated_failure("allocate", EOPNOTSUPP, path(), range);
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t before = inode_->size();
    if (range.end() > before && !state_->has_room(range.end() - before)) {
      // As Linux does, it keeps what it got until then: all there was.
      std::uint64_t more = 0;
      for (std::uint64_t step = range.end() - before; step > 0; step /= 2) {
        if (state_->has_room(more + step)) more += step;
      }
      if (more > 0) {
        require(::fallocate(inode_->descriptor, 0, static_cast<off_t>(before),
                            static_cast<off_t>(more)) == 0,
                "fallocate");
        note_change(before);
      }
      return simulated_failure("allocate", ENOSPC, path(), range);
    }
    require(::fallocate(inode_->descriptor, 0, static_cast<off_t>(range.offset),
                        static_cast<off_t>(range.length)) == 0,
            "fallocate");
    note_change(before);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    QUIRE_CHECK(enter("truncate", {size, 0}));
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t before = inode_->size();
    require(::ftruncate(inode_->descriptor, static_cast<off_t>(size)) == 0, "ftruncate");
    if (size < before) inode_->mark_written({size, before - size});
    note_change(before);
    return {};
  }

  Result<void> punch_hole(ByteRange range) override {
    QUIRE_CHECK(enter("punch_hole", range));
    const std::lock_guard lock(state_->mutex);
    require(::fallocate(inode_->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(range.offset), static_cast<off_t>(range.length)) == 0,
            "fallocate");
    inode_->mark_written(range);
    note_change(inode_->size());
    return {};
  }

  Result<void> allocate_ahead(ByteRange range) override {
    QUIRE_CHECK(enter("allocate", range));
    if (!state_->allocate_supported)
      return simulated_failure("allocate", EOPNOTSUPP, path(), range);
    const std::lock_guard lock(state_->mutex);
    if (range.end() > inode_->allocated() && !state_->has_room(range.end() - inode_->allocated())) {
      return simulated_failure("allocate", ENOSPC, path(), range);
    }
    require(::fallocate(inode_->descriptor, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
                        static_cast<off_t>(range.length)) == 0,
            "fallocate");
    return {};
  }

  // Only between files of the simulation, a block at a time.
  Result<std::uint64_t> copy_from(File& source, ByteRange range) override {
    QUIRE_CHECK(enter("copy", range));
    std::vector<std::byte> block(std::min<std::uint64_t>(range.length, 16 * kPage));
    QUIRE_TRY(const std::size_t got, source.pread(range.offset, block));
    if (got == 0) return 0;
    return pwrite(range.offset, std::span(block).first(got));
  }

  Result<std::unique_ptr<File>> reopen(OpenMode mode) override {
    QUIRE_CHECK(enter("open"));
    return make_simulated_file(path(), state_, inode_, mode);
  }

  int descriptor() const noexcept override { return inode_->descriptor; }

  Result<Mapping> map_window(MapAccess access, ByteRange window) override {
    QUIRE_CHECK(enter("map", window));
    return Mapping::map_window(inode_->descriptor, access, window);
  }

  Result<void> start_writeback(ByteRange range) override { return enter("start_writeback", range); }

  Result<void> advise(ByteRange range, AccessHint /*access*/) override {
    return enter("advise", range);
  }

  Result<void> set_permissions(std::uint32_t permissions) override {
    QUIRE_CHECK(enter("set_permissions"));
    const std::lock_guard lock(state_->mutex);
    inode_->permissions = permissions;
    return {};
  }

  Result<Mapping> map(MapAccess access, std::uint64_t reserve) override {
    QUIRE_CHECK(enter("map"));
    return Mapping::map_file(inode_->descriptor, access, inode_->size(), reserve);
  }

  Result<void> try_lock(LockKind kind) override {
    QUIRE_CHECK(enter("lock"));
    const std::lock_guard lock(state_->mutex);
    const int others_exclusive = inode_->exclusive_locks - (holds_exclusive_ ? 1 : 0);
    const int others_shared = inode_->shared_locks - (holds_shared_ ? 1 : 0);
    const bool exclusive = kind == LockKind::exclusive;
    if (others_exclusive > 0 || (exclusive && others_shared > 0)) {
      return simulated_failure("lock", EAGAIN, path());
    }
    inode_->exclusive_locks = others_exclusive + (exclusive ? 1 : 0);
    inode_->shared_locks = others_shared + (exclusive ? 0 : 1);
    holds_exclusive_ = exclusive;
    holds_shared_ = !exclusive;
    return {};
  }

  Result<bool> is_locked_exclusively() override {
    QUIRE_CHECK(enter("lock"));
    const std::lock_guard lock(state_->mutex);
    return inode_->exclusive_locks > (holds_exclusive_ ? 1 : 0);
  }

  Result<void> unlock() override {
    QUIRE_CHECK(enter("unlock"));
    const std::lock_guard lock(state_->mutex);
    inode_->exclusive_locks -= std::exchange(holds_exclusive_, false) ? 1 : 0;
    inode_->shared_locks -= std::exchange(holds_shared_, false) ? 1 : 0;
    return {};
  }

 protected:
  Result<void> do_sync() override { return sync_pages("sync", {}, {0, UINT64_MAX}); }

  Result<void> do_sync_range(const Mapping& /*mapping*/, ByteRange range) override {
    return sync_pages("sync_range", range, range);
  }

 private:
  // What is durable, and nothing that is not: a system may write dirty pages first, but need not.
  std::size_t read_image(std::uint64_t offset, std::span<std::byte> out) const {
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t size = inode_->durable_size;
    const std::uint64_t end = std::min(size, offset + out.size());
    for (std::uint64_t at = offset; at < end;) {
      const std::uint64_t in_page = at % kPage;
      const std::uint64_t length = std::min(kPage - in_page, end - at);
      std::memcpy(out.data() + (at - offset), inode_->image_page(at / kPage).data() + in_page,
                  static_cast<std::size_t>(length));
      at += length;
    }
    return static_cast<std::size_t>(end - std::min(end, offset));
  }

  Result<void> enter(const char* operation, ByteRange range = {}) {
    const SimulatedOutcome outcome = state_->enter(operation, path(), range);
    if (outcome.fail_with != 0)
      return simulated_failure(operation, outcome.fail_with, path(), range);
    return {};
  }

  // As Linux does: what a failed sync did not write is clean from then on.
  Result<void> sync_pages(const char* operation, ByteRange told, ByteRange pages) {
    auto entered = enter(operation, told);
    const std::lock_guard lock(state_->mutex);
    if (entered) {
      inode_->make_durable(pages);
    } else {
      inode_->drop_dirty_pages(pages);
    }
    return entered;
  }

  void note_change(std::uint64_t before) {
    ++inode_->modified;
    const std::uint64_t now = inode_->size();
    if (now != before) inode_->unsynced_sizes.push_back(now);
  }

  const std::shared_ptr<SimulatedFileSystem::State> state_;
  const std::shared_ptr<SimulatedInode> inode_;
  const OpenMode mode_;
  bool holds_exclusive_ = false;
  bool holds_shared_ = false;
};

}  // namespace

std::unique_ptr<File> make_simulated_file(std::string path,
                                          std::shared_ptr<SimulatedFileSystem::State> state,
                                          std::shared_ptr<SimulatedInode> inode, OpenMode mode) {
  return std::make_unique<SimulatedFile>(std::move(path), std::move(state), std::move(inode), mode);
}

}  // namespace quire::os
