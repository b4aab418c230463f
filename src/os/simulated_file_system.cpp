#include "os/simulated_file_system.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "os/aligned_read.hpp"
#include "os/errno.hpp"
#include "os/simulated_state.hpp"

namespace quire::os {

namespace {

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

std::unexpected<Error> simulated_failure(const char* operation, int errno_value,
                                         const std::string& path, ByteRange range) {
  return std::unexpected(errno_error(operation, errno_value, path, range));
}

SimulatedFileSystem::SimulatedFileSystem() : state_(std::make_shared<State>()) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

void SimulatedFileSystem::set_hook(Hook hook) {
  const std::lock_guard lock(state_->mutex);
  state_->hook = std::make_shared<Hook>(std::move(hook));
}

void SimulatedFileSystem::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->capacity = bytes;
}

void SimulatedFileSystem::write_back_one_in(std::uint32_t n, std::uint64_t seed) {
  const std::lock_guard lock(state_->mutex);
  state_->write_back_one_in = n;
  state_->write_back_random.seed(seed);
}

void SimulatedFileSystem::set_allocate_supported(bool supported) {
  const std::lock_guard lock(state_->mutex);
  state_->allocate_supported = supported;
}

void SimulatedFileSystem::set_direct_reads_supported(bool supported) {
  const std::lock_guard lock(state_->mutex);
  state_->direct_reads_supported = supported;
}

void SimulatedFileSystem::set_kind(FileSystemKind kind) {
  const std::lock_guard lock(state_->mutex);
  state_->kind = std::move(kind);
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::power_cut(Survivors survivors,
                                                                    Random& random) const {
  const std::lock_guard lock(state_->mutex);
  auto after = std::make_unique<SimulatedFileSystem>();
  after->state_->capacity = state_->capacity;
  after->state_->allocate_supported = state_->allocate_supported;
  after->state_->direct_reads_supported = state_->direct_reads_supported;
  after->state_->kind = state_->kind;
  after->state_->root = surviving_directory(*state_->root, survivors, random);
  return after;
}

std::uint64_t SimulatedFileSystem::calls() const {
  const std::lock_guard lock(state_->mutex);
  return state_->calls;
}

Result<void> SimulatedFileSystem::flip(const std::string& path, std::uint64_t offset,
                                       std::byte mask) {
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || inode->is_directory || offset >= inode->size()) {
    return simulated_failure("flip", ENOENT, path, {offset, 1});
  }
  std::byte byte{};
  require(::pread(inode->descriptor, &byte, 1, static_cast<off_t>(offset)) == 1, "pread");
  byte ^= mask;
  require(::pwrite(inode->descriptor, &byte, 1, static_cast<off_t>(offset)) == 1, "pwrite");
  const std::uint64_t page = offset / kPage;
  Page image = inode->image_page(page);
  image[offset % kPage] ^= mask;
  auto passed = inode->passed_over.extract(page);
  inode->set_image_page(page, image);
  if (passed) {
    passed.mapped()[offset % kPage] ^= mask;
    inode->passed_over.insert(std::move(passed));
  }
  return {};
}

Result<void> SimulatedFileSystem::flip_on_disk(const std::string& path, std::uint64_t offset,
                                               std::byte mask) {
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || inode->is_directory || offset >= inode->durable_size) {
    return simulated_failure("flip", ENOENT, path, {offset, 1});
  }
  inode->flip_in_image(offset, mask);
  return {};
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::string& path, OpenMode mode,
                                                        std::uint32_t permissions) {
  const char* operation = mode == OpenMode::create_new ? "create" : "open";
  const SimulatedOutcome outcome = state_->enter(operation, path);
  if (outcome.fail_with != 0) return simulated_failure(operation, outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  auto inode = state_->find(path);
  if (mode == OpenMode::create_new) {
    if (inode) return simulated_failure(operation, EEXIST, path);
    const auto parent = state_->find(parent_directory(path));
    if (!parent || !parent->is_directory) return simulated_failure(operation, ENOENT, path);
    inode = std::make_shared<SimulatedInode>(false);
    inode->permissions = permissions;
    parent->entries[name_of(path)] = inode;
    parent->changes.push_back({SimulatedInode::Change::Kind::link, name_of(path), "", inode});
  }
  if (!inode) return simulated_failure(operation, ENOENT, path);
  if (inode->is_directory) return simulated_failure(operation, EISDIR, path);
  if (mode == OpenMode::read_direct && !state_->direct_reads_supported) {
    return std::unexpected(no_direct_reads(path));
  }
  return make_simulated_file(path, state_, inode, mode);
}

Result<void> SimulatedFileSystem::rename(const std::string& from, const std::string& to,
                                         IfExists if_exists) {
  const SimulatedOutcome outcome = state_->enter("rename", to);
  if (outcome.fail_with != 0) return simulated_failure("rename", outcome.fail_with, to);
  const std::lock_guard lock(state_->mutex);
  const auto parent = state_->find(parent_directory(from));
  const auto inode = state_->find(from);
  if (!inode || !parent) return simulated_failure("rename", ENOENT, from);
  if (parent != state_->find(parent_directory(to))) return simulated_failure("rename", EXDEV, to);
  if (if_exists == IfExists::fail && state_->find(to))
    return simulated_failure("rename", EEXIST, to);
  parent->entries[name_of(to)] = inode;
  parent->entries.erase(name_of(from));
  parent->changes.push_back(
      {SimulatedInode::Change::Kind::rename, name_of(from), name_of(to), inode});
  return {};
}

Result<void> SimulatedFileSystem::remove(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("remove", path);
  if (outcome.fail_with != 0) return simulated_failure("remove", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto parent = state_->find(parent_directory(path));
  const auto inode = state_->find(path);
  if (!inode || !parent) return simulated_failure("remove", ENOENT, path);
  if (inode->is_directory) return simulated_failure("remove", EISDIR, path);
  parent->entries.erase(name_of(path));
  parent->changes.push_back({SimulatedInode::Change::Kind::unlink, name_of(path), "", inode});
  return {};
}

Result<void> SimulatedFileSystem::make_directory(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("make_directory", path);
  if (outcome.fail_with != 0) return simulated_failure("make_directory", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  if (state_->find(path)) return simulated_failure("make_directory", EEXIST, path);
  const auto parent = state_->find(parent_directory(path));
  if (!parent || !parent->is_directory) return simulated_failure("make_directory", ENOENT, path);
  auto inode = std::make_shared<SimulatedInode>(true);
  parent->entries[name_of(path)] = inode;
  parent->changes.push_back({SimulatedInode::Change::Kind::link, name_of(path), "", inode});
  return {};
}

Result<void> SimulatedFileSystem::sync_directory(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("sync_directory", path);
  if (outcome.fail_with != 0) return simulated_failure("sync_directory", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || !inode->is_directory) return simulated_failure("sync_directory", ENOENT, path);
  inode->durable_entries = inode->entries;
  inode->changes.clear();
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::list(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("list", path);
  if (outcome.fail_with != 0) return simulated_failure("list", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || !inode->is_directory) return simulated_failure("list", ENOENT, path);
  std::vector<std::string> names;
  for (const auto& [name, child] : inode->entries) names.push_back(name);
  return names;
}

Result<FileInfo> SimulatedFileSystem::info(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("stat", path);
  if (outcome.fail_with != 0) return simulated_failure("stat", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode) return simulated_failure("stat", ENOENT, path);
  FileInfo info;
  info.kind = inode->is_directory ? FileKind::directory : FileKind::regular;
  info.size = inode->is_directory ? 0 : inode->size();
  info.allocated_bytes = inode->is_directory ? 0 : inode->allocated();
  info.permissions = inode->permissions;
  info.modified_ns = inode->modified;
  info.id = inode->id();
  return info;
}

// There are no symbolic links.
Result<std::string> SimulatedFileSystem::resolve(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto parent = state_->find(parent_directory(path));
  if (path.empty() || !parent || !parent->is_directory) {
    return simulated_failure("resolve", ENOENT, path);
  }
  return without_last_slashes(path);
}

Result<FileSystemKind> SimulatedFileSystem::kind_of(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("statfs", path);
  if (outcome.fail_with != 0) return simulated_failure("statfs", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  if (!state_->find(path)) return simulated_failure("statfs", ENOENT, path);
  return state_->kind;
}

}  // namespace quire::os
