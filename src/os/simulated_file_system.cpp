#include "os/simulated_file_system.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "os/errno.hpp"

namespace quire::os {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSector = 512;

using Page = std::array<std::byte, kPage>;

const Page kZeroPage{};

// A failure of the machinery below the simulation: the test cannot go on.
void require(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

std::uint64_t next_inode_number() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

bool coin(Random& random) { return (random() & 1U) != 0; }

}  // namespace

// A file or a directory. Numbered once for the life of the process, so that ids of different
// simulated file systems never meet.
struct SimulatedInode {
  struct Change {
    enum class Kind : std::uint8_t { link, rename, unlink } kind;
    std::string name;
    std::string to;  // of a rename, in the same directory
    std::shared_ptr<SimulatedInode> inode;
  };
  using Entries = std::map<std::string, std::shared_ptr<SimulatedInode>>;

  explicit SimulatedInode(bool directory) : is_directory(directory) {
    if (is_directory) return;
    descriptor = ::memfd_create("quire-simulated", MFD_CLOEXEC);
    require(descriptor >= 0, "memfd_create");
  }
  ~SimulatedInode() {
    if (descriptor >= 0) ::close(descriptor);
  }
  SimulatedInode(const SimulatedInode&) = delete;
  SimulatedInode& operator=(const SimulatedInode&) = delete;

  const bool is_directory;
  const std::uint64_t number = next_inode_number();
  std::uint32_t permissions = 0644;

  // Of a file.
  int descriptor = -1;
  std::map<std::uint64_t, Page> image;  // durable pages that are not all zeros, by page number
  std::uint64_t durable_size = 0;
  std::vector<std::uint64_t> unsynced_sizes;  // sizes it has had since the last sync
  int exclusive_locks = 0;
  int shared_locks = 0;

  // Of a directory.
  Entries entries;
  Entries durable_entries;
  std::vector<Change> changes;  // since its last sync

  std::uint64_t size() const {
    struct stat stat{};
    require(::fstat(descriptor, &stat) == 0, "fstat");
    return static_cast<std::uint64_t>(stat.st_size);
  }

  std::uint64_t allocated() const {
    struct stat stat{};
    require(::fstat(descriptor, &stat) == 0, "fstat");
    return static_cast<std::uint64_t>(stat.st_blocks) * 512;
  }

  Page current_page(std::uint64_t number_of_page) const {
    Page page{};
    const ssize_t got =
        ::pread(descriptor, page.data(), page.size(), static_cast<off_t>(number_of_page * kPage));
    require(got >= 0, "pread");
    return page;
  }

  const Page& image_page(std::uint64_t number_of_page) const {
    const auto found = image.find(number_of_page);
    return found == image.end() ? kZeroPage : found->second;
  }

  void set_image_page(std::uint64_t number_of_page, const Page& page) {
    if (page == kZeroPage) {
      image.erase(number_of_page);
    } else {
      image[number_of_page] = page;
    }
  }

  // The numbers of all pages that may differ from zeros in the file or in the image.
  std::set<std::uint64_t> touched_pages() const {
    std::set<std::uint64_t> pages;
    for (const auto& [page, bytes] : image) pages.insert(page);
    off_t at = 0;
    while (true) {
      const off_t data = ::lseek(descriptor, at, SEEK_DATA);
      if (data < 0) break;
      const off_t hole = ::lseek(descriptor, data, SEEK_HOLE);
      require(hole > data, "lseek");
      for (std::uint64_t page = static_cast<std::uint64_t>(data) / kPage;
           page * kPage < static_cast<std::uint64_t>(hole); ++page) {
        pages.insert(page);
      }
      at = hole;
    }
    return pages;
  }

  std::vector<std::uint64_t> dirty_pages() const {
    std::vector<std::uint64_t> dirty;
    for (const std::uint64_t page : touched_pages()) {
      if (current_page(page) != image_page(page)) dirty.push_back(page);
    }
    return dirty;
  }

  void make_durable(ByteRange range) {
    for (const std::uint64_t page : touched_pages()) {
      if (ByteRange{page * kPage, kPage}.overlaps(range)) set_image_page(page, current_page(page));
    }
    durable_size = size();
    unsynced_sizes.clear();
  }
};

struct SimulatedFileSystem::State {
  mutable std::mutex mutex;
  Hook hook;
  std::uint64_t calls = 0;
  std::uint64_t capacity = UINT64_MAX;
  std::uint32_t write_back_one_in = 0;
  Random write_back_random;
  bool allocate_supported = true;
  std::shared_ptr<SimulatedInode> root = std::make_shared<SimulatedInode>(true);

  // Tells the hook; the outcome is the hook's.
  SimulatedOutcome enter(const char* operation, const std::string& path, ByteRange range = {}) {
    Hook to_call;
    SimulatedCall call{0, operation, path, range};
    {
      const std::lock_guard lock(mutex);
      call.number = calls++;
      to_call = hook;
    }
    return to_call ? to_call(call) : SimulatedOutcome{};
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

namespace {

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

std::unexpected<Error> failure(const char* operation, int errno_value, const std::string& path,
                               ByteRange range = {}) {
  return std::unexpected(errno_error(operation, errno_value, path, range));
}

// What of a page survives: sectors of `now` over `before`.
Page surviving_page(const Page& before, const Page& now, Survivors survivors, Random& random) {
  if (survivors == Survivors::none) return before;
  if (survivors == Survivors::all) return now;
  switch (random() % 3) {
    case 0:
      return before;
    case 1:
      return now;
    default: {
      Page torn = before;
      for (std::uint64_t at = 0; at < kPage; at += kSector) {
        if (coin(random)) std::memcpy(torn.data() + at, now.data() + at, kSector);
      }
      return torn;
    }
  }
}

std::shared_ptr<SimulatedInode> surviving_file(const SimulatedInode& file, Survivors survivors,
                                               Random& random) {
  auto copy = std::make_shared<SimulatedInode>(false);
  copy->permissions = file.permissions;
  std::uint64_t size = file.durable_size;
  if (survivors == Survivors::all) size = file.size();
  if (survivors == Survivors::random && !file.unsynced_sizes.empty()) {
    const std::uint64_t choice = random() % (file.unsynced_sizes.size() + 1);
    if (choice > 0) size = file.unsynced_sizes[choice - 1];
  }
  require(::ftruncate(copy->descriptor, static_cast<off_t>(size)) == 0, "ftruncate");
  for (const std::uint64_t page : file.touched_pages()) {
    if (page * kPage >= size) continue;
    const Page bytes =
        surviving_page(file.image_page(page), file.current_page(page), survivors, random);
    if (bytes == kZeroPage) continue;
    const std::size_t length = std::min(kPage, size - page * kPage);
    require(::pwrite(copy->descriptor, bytes.data(), length, static_cast<off_t>(page * kPage)) ==
                static_cast<ssize_t>(length),
            "pwrite");
  }
  copy->make_durable({0, UINT64_MAX});
  return copy;
}

// Copies each inode once, however many names it has.
class Survival {
 public:
  Survival(Survivors survivors, Random& random) : survivors_(survivors), random_(random) {}

  std::shared_ptr<SimulatedInode> of(const std::shared_ptr<SimulatedInode>& inode) {
    const auto known = copies_.find(inode.get());
    if (known != copies_.end()) return known->second;
    auto copy =
        inode->is_directory ? directory(*inode) : surviving_file(*inode, survivors_, random_);
    copies_.emplace(inode.get(), copy);
    return copy;
  }

 private:
  std::shared_ptr<SimulatedInode> directory(const SimulatedInode& inode) {
    SimulatedInode::Entries entries = inode.durable_entries;
    for (const SimulatedInode::Change& change : inode.changes) {
      if (survivors_ == Survivors::none) break;
      if (survivors_ == Survivors::random && coin(random_)) continue;
      switch (change.kind) {
        case SimulatedInode::Change::Kind::link:
          entries[change.name] = change.inode;
          break;
        case SimulatedInode::Change::Kind::rename:
          entries[change.to] = change.inode;
          entries.erase(change.name);
          break;
        case SimulatedInode::Change::Kind::unlink:
          if (const auto found = entries.find(change.name);
              found != entries.end() && found->second == change.inode) {
            entries.erase(found);
          }
          break;
      }
    }
    auto copy = std::make_shared<SimulatedInode>(true);
    for (const auto& [name, child] : entries) copy->entries.emplace(name, of(child));
    copy->durable_entries = copy->entries;
    return copy;
  }

  const Survivors survivors_;
  Random& random_;
  std::map<const SimulatedInode*, std::shared_ptr<SimulatedInode>> copies_;
};

}  // namespace

class SimulatedFile final : public File {
 public:
  SimulatedFile(std::string path, std::shared_ptr<SimulatedFileSystem::State> state,
                std::shared_ptr<SimulatedInode> inode, bool writable)
      : File(std::move(path), FileId{~std::uint64_t{0}, inode->number, 0}),
        state_(std::move(state)),
        inode_(std::move(inode)),
        writable_(writable) {}

  ~SimulatedFile() override {
    const std::lock_guard lock(state_->mutex);
    inode_->exclusive_locks -= holds_exclusive_ ? 1 : 0;
    inode_->shared_locks -= holds_shared_ ? 1 : 0;
  }
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> out) override {
    QUIRE_CHECK(enter("read", {offset, out.size()}));
    const ssize_t got =
        ::pread(inode_->descriptor, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) return failure("read", errno, path(), {offset, out.size()});
    return static_cast<std::size_t>(got);
  }

  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    const ByteRange range{offset, in.size()};
    const SimulatedOutcome outcome = state_->enter("write", path(), range);
    if (outcome.fail_with != 0) return failure("write", outcome.fail_with, path(), range);
    if (!writable_) return failure("write", EBADF, path(), range);
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
      if (length == 0) return failure("write", ENOSPC, path(), range);
    }
    const ssize_t put = ::pwrite(inode_->descriptor, in.data(), length, static_cast<off_t>(offset));
    require(put == static_cast<ssize_t>(length), "pwrite");
    note_size(before);
    state_->write_back_something(*inode_);
    return length;
  }

  Result<FileInfo> info() override {
    QUIRE_CHECK(enter("stat"));
    FileInfo info;
    info.size = inode_->size();
    info.allocated_bytes = inode_->allocated();
    info.permissions = inode_->permissions;
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
    if (!state_->allocate_supported) return failure("allocate", EOPNOTSUPP, path(), range);
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t before = inode_->size();
    if (range.end() > before && !state_->has_room(range.end() - before)) {
      return failure("allocate", ENOSPC, path(), range);
    }
    require(::fallocate(inode_->descriptor, 0, static_cast<off_t>(range.offset),
                        static_cast<off_t>(range.length)) == 0,
            "fallocate");
    note_size(before);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    QUIRE_CHECK(enter("truncate", {size, 0}));
    const std::lock_guard lock(state_->mutex);
    const std::uint64_t before = inode_->size();
    require(::ftruncate(inode_->descriptor, static_cast<off_t>(size)) == 0, "ftruncate");
    note_size(before);
    return {};
  }

  Result<void> start_writeback(ByteRange range) override { return enter("start_writeback", range); }

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
      return failure("lock", EAGAIN, path());
    }
    inode_->exclusive_locks = others_exclusive + (exclusive ? 1 : 0);
    inode_->shared_locks = others_shared + (exclusive ? 0 : 1);
    holds_exclusive_ = exclusive;
    holds_shared_ = !exclusive;
    return {};
  }

 protected:
  Result<void> do_sync() override {
    QUIRE_CHECK(enter("sync"));
    const std::lock_guard lock(state_->mutex);
    inode_->make_durable({0, UINT64_MAX});
    return {};
  }

  Result<void> do_sync_range(const Mapping& /*mapping*/, ByteRange range) override {
    QUIRE_CHECK(enter("sync_range", range));
    const std::lock_guard lock(state_->mutex);
    inode_->make_durable(range);
    return {};
  }

 private:
  Result<void> enter(const char* operation, ByteRange range = {}) {
    const SimulatedOutcome outcome = state_->enter(operation, path(), range);
    if (outcome.fail_with != 0) return failure(operation, outcome.fail_with, path(), range);
    return {};
  }

  void note_size(std::uint64_t before) {
    const std::uint64_t now = inode_->size();
    if (now != before) inode_->unsynced_sizes.push_back(now);
  }

  const std::shared_ptr<SimulatedFileSystem::State> state_;
  const std::shared_ptr<SimulatedInode> inode_;
  const bool writable_;
  bool holds_exclusive_ = false;
  bool holds_shared_ = false;
};

SimulatedFileSystem::SimulatedFileSystem() : state_(std::make_shared<State>()) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

void SimulatedFileSystem::set_hook(Hook hook) {
  const std::lock_guard lock(state_->mutex);
  state_->hook = std::move(hook);
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

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::power_cut(Survivors survivors,
                                                                    Random& random) const {
  const std::lock_guard lock(state_->mutex);
  auto after = std::make_unique<SimulatedFileSystem>();
  after->state_->capacity = state_->capacity;
  after->state_->allocate_supported = state_->allocate_supported;
  after->state_->root = Survival(survivors, random).of(state_->root);
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
    return failure("flip", ENOENT, path, {offset, 1});
  }
  std::byte byte{};
  require(::pread(inode->descriptor, &byte, 1, static_cast<off_t>(offset)) == 1, "pread");
  byte ^= mask;
  require(::pwrite(inode->descriptor, &byte, 1, static_cast<off_t>(offset)) == 1, "pwrite");
  const std::uint64_t page = offset / kPage;
  Page image = inode->image_page(page);
  image[offset % kPage] ^= mask;
  inode->set_image_page(page, image);
  return {};
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::string& path, OpenMode mode,
                                                        std::uint32_t permissions) {
  const char* operation = mode == OpenMode::create_new ? "create" : "open";
  const SimulatedOutcome outcome = state_->enter(operation, path);
  if (outcome.fail_with != 0) return failure(operation, outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  auto inode = state_->find(path);
  if (mode == OpenMode::create_new) {
    if (inode) return failure(operation, EEXIST, path);
    const auto parent = state_->find(parent_directory(path));
    if (!parent || !parent->is_directory) return failure(operation, ENOENT, path);
    inode = std::make_shared<SimulatedInode>(false);
    inode->permissions = permissions;
    parent->entries[name_of(path)] = inode;
    parent->changes.push_back({SimulatedInode::Change::Kind::link, name_of(path), "", inode});
  }
  if (!inode) return failure(operation, ENOENT, path);
  if (inode->is_directory) return failure(operation, EISDIR, path);
  return std::make_unique<SimulatedFile>(path, state_, inode, mode != OpenMode::read);
}

Result<void> SimulatedFileSystem::rename(const std::string& from, const std::string& to,
                                         IfExists if_exists) {
  const SimulatedOutcome outcome = state_->enter("rename", to);
  if (outcome.fail_with != 0) return failure("rename", outcome.fail_with, to);
  const std::lock_guard lock(state_->mutex);
  const auto parent = state_->find(parent_directory(from));
  const auto inode = state_->find(from);
  if (!inode || !parent) return failure("rename", ENOENT, from);
  if (parent != state_->find(parent_directory(to))) return failure("rename", EXDEV, to);
  if (if_exists == IfExists::fail && state_->find(to)) return failure("rename", EEXIST, to);
  parent->entries[name_of(to)] = inode;
  parent->entries.erase(name_of(from));
  parent->changes.push_back(
      {SimulatedInode::Change::Kind::rename, name_of(from), name_of(to), inode});
  return {};
}

Result<void> SimulatedFileSystem::remove(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("remove", path);
  if (outcome.fail_with != 0) return failure("remove", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto parent = state_->find(parent_directory(path));
  const auto inode = state_->find(path);
  if (!inode || !parent) return failure("remove", ENOENT, path);
  if (inode->is_directory) return failure("remove", EISDIR, path);
  parent->entries.erase(name_of(path));
  parent->changes.push_back({SimulatedInode::Change::Kind::unlink, name_of(path), "", inode});
  return {};
}

Result<void> SimulatedFileSystem::make_directory(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("make_directory", path);
  if (outcome.fail_with != 0) return failure("make_directory", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  if (state_->find(path)) return failure("make_directory", EEXIST, path);
  const auto parent = state_->find(parent_directory(path));
  if (!parent || !parent->is_directory) return failure("make_directory", ENOENT, path);
  auto inode = std::make_shared<SimulatedInode>(true);
  parent->entries[name_of(path)] = inode;
  parent->changes.push_back({SimulatedInode::Change::Kind::link, name_of(path), "", inode});
  return {};
}

Result<void> SimulatedFileSystem::sync_directory(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("sync_directory", path);
  if (outcome.fail_with != 0) return failure("sync_directory", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || !inode->is_directory) return failure("sync_directory", ENOENT, path);
  inode->durable_entries = inode->entries;
  inode->changes.clear();
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::list(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("list", path);
  if (outcome.fail_with != 0) return failure("list", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || !inode->is_directory) return failure("list", ENOENT, path);
  std::vector<std::string> names;
  for (const auto& [name, child] : inode->entries) names.push_back(name);
  return names;
}

Result<FileInfo> SimulatedFileSystem::info(const std::string& path) {
  const SimulatedOutcome outcome = state_->enter("stat", path);
  if (outcome.fail_with != 0) return failure("stat", outcome.fail_with, path);
  const std::lock_guard lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode) return failure("stat", ENOENT, path);
  FileInfo info;
  info.kind = inode->is_directory ? FileKind::directory : FileKind::regular;
  info.size = inode->is_directory ? 0 : inode->size();
  info.allocated_bytes = inode->is_directory ? 0 : inode->allocated();
  info.permissions = inode->permissions;
  info.id = {~std::uint64_t{0}, inode->number, 0};
  return info;
}

Result<std::string> SimulatedFileSystem::resolve(const std::string& path) { return path; }

}  // namespace quire::os
