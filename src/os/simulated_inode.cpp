#include "os/simulated_inode.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace quire::os {

namespace {

const Page kZeroPage{};

// Once for the life of the process.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// Of std::byte, == compares one at a time.
bool same(const Page& a, const Page& b) { return std::memcmp(a.data(), b.data(), kPage) == 0; }

bool coin(Random& random) { return (random() & 1U) != 0; }

}  // namespace

void require(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

SimulatedInode::SimulatedInode(bool directory)
    : is_directory(directory), number(next_number()), incarnation(number) {
  if (is_directory) return;
  descriptor = ::memfd_create("quire-simulated", MFD_CLOEXEC);
  require(descriptor >= 0, "memfd_create");
}

std::shared_ptr<SimulatedInode> SimulatedInode::after_power_cut(const SimulatedInode& before) {
  auto after = std::make_shared<SimulatedInode>(before.is_directory);
  after->number = before.number;
  return after;
}

SimulatedInode::~SimulatedInode() {
  if (descriptor >= 0) ::close(descriptor);
}

std::uint64_t SimulatedInode::size() const {
  struct stat stat{};
  require(::fstat(descriptor, &stat) == 0, "fstat");
  return static_cast<std::uint64_t>(stat.st_size);
}

std::uint64_t SimulatedInode::allocated() const {
  struct stat stat{};
  require(::fstat(descriptor, &stat) == 0, "fstat");
  return static_cast<std::uint64_t>(stat.st_blocks) * 512;
}

Page SimulatedInode::current_page(std::uint64_t number_of_page) const {
  Page page{};
  const ssize_t got =
      ::pread(descriptor, page.data(), page.size(), static_cast<off_t>(number_of_page * kPage));
  require(got >= 0, "pread");
  return page;
}

const Page& SimulatedInode::image_page(std::uint64_t number_of_page) const {
  const auto found = image.find(number_of_page);
  return found == image.end() ? kZeroPage : found->second;
}

void SimulatedInode::flip_in_image(std::uint64_t offset, std::byte mask) {
  const std::uint64_t number_of_page = offset / kPage;
  const Page current = current_page(number_of_page);
  Page page = is_clean(number_of_page, current) ? image_page(number_of_page) : current;
  page[offset % kPage] ^= mask;
  set_image_page(number_of_page, page);
  passed_over[number_of_page] = current;
}

// A store through a map shows by what it changed.
bool SimulatedInode::is_clean(std::uint64_t number_of_page, const Page& current) const {
  if (same(current, image_page(number_of_page))) return true;
  const auto found = passed_over.find(number_of_page);
  return found != passed_over.end() && same(found->second, current);
}

void SimulatedInode::set_image_page(std::uint64_t number_of_page, const Page& page) {
  passed_over.erase(number_of_page);
  if (same(page, kZeroPage)) {
    image.erase(number_of_page);
  } else {
    image[number_of_page] = page;
  }
}

std::set<std::uint64_t> SimulatedInode::touched_pages() const {
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

void SimulatedInode::each_touched_page(
    const std::function<void(std::uint64_t number, const Page& current)>& visit) const {
  constexpr std::size_t kAtOnce = 16;
  const std::set<std::uint64_t> pages = touched_pages();
  std::array<Page, kAtOnce> run;
  for (auto at = pages.begin(); at != pages.end();) {
    const std::uint64_t first = *at;
    std::size_t length = 0;
    for (; at != pages.end() && *at == first + length && length < kAtOnce; ++at) ++length;
    const ssize_t got =
        ::pread(descriptor, run.data(), length * kPage, static_cast<off_t>(first * kPage));
    require(got >= 0, "pread");
    std::memset(run.data()->data() + got, 0, length * kPage - static_cast<std::size_t>(got));
    for (std::size_t i = 0; i < length; ++i) visit(first + i, run[i]);
  }
}

std::vector<std::uint64_t> SimulatedInode::dirty_pages() const {
  std::vector<std::uint64_t> dirty;
  each_touched_page([&](std::uint64_t page, const Page& current) {
    if (!is_clean(page, current)) dirty.push_back(page);
  });
  return dirty;
}

void SimulatedInode::make_durable(ByteRange range) {
  each_touched_page([&](std::uint64_t page, const Page& current) {
    const bool is_asked = ByteRange{page * kPage, kPage}.overlaps(range);
    if (is_asked && !is_clean(page, current)) set_image_page(page, current);
  });
  durable_size = size();
  unsynced_sizes.clear();
}

void SimulatedInode::drop_dirty_pages(ByteRange range) {
  for (const std::uint64_t page : dirty_pages()) {
    if (ByteRange{page * kPage, kPage}.overlaps(range)) passed_over[page] = current_page(page);
  }
}

void SimulatedInode::mark_written(ByteRange range) {
  std::erase_if(passed_over, [&](const auto& page) {
    return ByteRange{page.first * kPage, kPage}.overlaps(range);
  });
}

namespace {

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
  auto copy = SimulatedInode::after_power_cut(file);
  copy->permissions = file.permissions;
  std::uint64_t size = file.durable_size;
  if (survivors == Survivors::all) size = file.size();
  if (survivors == Survivors::random && !file.unsynced_sizes.empty()) {
    const std::uint64_t choice = random() % (file.unsynced_sizes.size() + 1);
    if (choice > 0) size = file.unsynced_sizes[choice - 1];
  }
  require(::ftruncate(copy->descriptor, static_cast<off_t>(size)) == 0, "ftruncate");
  file.each_touched_page([&](std::uint64_t page, const Page& current) {
    if (page * kPage >= size) return;
    const Page bytes = surviving_page(file.image_page(page), current, survivors, random);
    if (same(bytes, kZeroPage)) return;
    const std::size_t length = std::min(kPage, size - page * kPage);
    require(::pwrite(copy->descriptor, bytes.data(), length, static_cast<off_t>(page * kPage)) ==
                static_cast<ssize_t>(length),
            "pwrite");
  });
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

 private:
  const Survivors survivors_;
  Random& random_;
  std::map<const SimulatedInode*, std::shared_ptr<SimulatedInode>> copies_;
};

}  // namespace

std::shared_ptr<SimulatedInode> surviving_directory(const SimulatedInode& directory,
                                                    Survivors survivors, Random& random) {
  return Survival(survivors, random).directory(directory);
}

}  // namespace quire::os
