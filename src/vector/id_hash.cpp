#include "vector/id_hash.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace quire::vector {

namespace {

// What a reader may still see. It is filled when it has been handed to the epochs: if memory runs out
// there, it is leaked, and not freed under its readers.
template <class Free>
class Retired {
 public:
  explicit Retired(Free free) : free_(std::move(free)) {}
  Retired(const Retired&) = delete;
  Retired& operator=(const Retired&) = delete;
  ~Retired() {
    if (is_filled_) free_();
  }
  void fill() noexcept { is_filled_ = true; }

 private:
  Free free_;
  bool is_filled_ = false;
};

}  // namespace

IdHash::Segment IdHash::Segment::make(std::size_t size, unsigned depth) {
  const std::size_t lines = kLineCounts[size];
  void* memory =
      ::operator new(sizeof(Head) + lines * sizeof(Line), std::align_val_t{alignof(Head)});
  const Segment segment(reinterpret_cast<std::uintptr_t>(memory) + size);
  new (memory) Head{.used = 0, .depth = depth};
  std::uninitialized_value_construct_n(segment.lines(), lines);
  return segment;
}

void IdHash::Segment::destroy() const noexcept {
  ::operator delete(&head(), std::align_val_t{alignof(Head)});
}

IdHash::Directory IdHash::Directory::make(unsigned depth) {
  const std::size_t size = std::size_t{1} << depth;
  void* memory = ::operator new(size * sizeof(Slot), std::align_val_t{kAlignment});
  const Directory directory(reinterpret_cast<std::uintptr_t>(memory) + depth);
  std::uninitialized_value_construct_n(directory.entries(), size);
  return directory;
}

void IdHash::Directory::destroy() const noexcept {
  if (tagged_ != 0) ::operator delete(entries(), std::align_val_t{kAlignment});
}

std::uint64_t IdHash::Segment::store(const IdWord& one, const IdHashes& hashes,
                                     bool& stored) const noexcept {
  stored = true;
  const std::size_t count = line_count();
  for (std::size_t at = line_of(hashes, count);; at = at + 1 == count ? 0 : at + 1) {
    Line& line = lines()[at];
    for (std::size_t i = 0; i < kSlots; ++i) {
      // Relaxed: only this thread writes.
      const std::uint64_t before = line.words[i].load(std::memory_order_relaxed);
      if (before == 0) {
        if (head().used == room_of(size())) {
          stored = false;
          return 0;
        }
        line.ids[i].store(one.id, std::memory_order_relaxed);
        ++head().used;
      } else if (line.ids[i].load(std::memory_order_relaxed) != one.id) {
        continue;
      }
      line.words[i].store(one.word, std::memory_order_release);
      return before;
    }
  }
}

IdHash::~IdHash() {
  visit_segments([](const Segment& segment) { segment.destroy(); });
  Directory(directory_.load(std::memory_order_relaxed)).destroy();
}

std::size_t IdHash::size_for(std::size_t count) noexcept {
  std::size_t size = 0;
  while (size < kLargest && room_of(size) < count + count / 8 + 1) ++size;
  return size;
}

std::uint64_t IdHash::store(const IdWord& one, const IdHashes& hashes, bool& stored) noexcept {
  const Directory directory(directory_.load(std::memory_order_relaxed));
  stored = false;
  if (!directory) return 0;
  return Segment(directory.entry(hashes).load(std::memory_order_relaxed))
      .store(one, hashes, stored);
}

void IdHash::reserve(std::uint64_t count) {
  // Segments of up to the largest size, with some room for what chance brings together.
  const std::uint64_t most = room_of(kLargest) * 3 / 4;
  const auto depth = static_cast<unsigned>(std::bit_width(count / most));
  const Directory directory = Directory::make(depth);
  const auto each = static_cast<std::size_t>(count >> depth);
  for (std::size_t i = 0; i < directory.size(); ++i) {
    Segment segment;
    try {
      segment = Segment::make(size_for(each), depth);
    } catch (...) {
      for (std::size_t made = 0; made < i; ++made) {
        Segment(directory.entries()[made].load(std::memory_order_relaxed)).destroy();
      }
      directory.destroy();
      throw;
    }
    directory.entries()[i].store(segment.tagged(), std::memory_order_relaxed);
  }
  directory_.store(directory.tagged(), std::memory_order_release);
}

void IdHash::rebuild(const IdHashes& hashes, std::span<const Entry> entries, Epochs& epochs) {
  Directory directory(directory_.load(std::memory_order_relaxed));
  if (!directory) return reserve(0);
  const Segment old(directory.entry(hashes).load(std::memory_order_relaxed));
  const unsigned depth = old.head().depth;
  const bool splits = entries.size() >= room_of(kLargest);
  if (splits && depth == directory.depth()) {
    double_directory(epochs);
    directory = Directory(directory_.load(std::memory_order_relaxed));
  }
  const unsigned bit = 63 - kSkippedBits - depth;
  const auto is_upper = [&](const Entry& entry) {
    return splits && ((entry.hashes.segment >> bit) & 1U) != 0;
  };
  const auto upper_count = static_cast<std::size_t>(std::ranges::count_if(entries, is_upper));

  const auto free_old = [old] { old.destroy(); };
  const auto retired = std::make_shared<Retired<decltype(free_old)>>(free_old);
  std::array<Segment, 2> made;
  made[0] = Segment::make(size_for(entries.size() - upper_count), depth + (splits ? 1 : 0));
  if (splits) {
    try {
      made[1] = Segment::make(size_for(upper_count), depth + 1);
    } catch (...) {
      made[0].destroy();
      throw;
    }
  }
  for (const Entry& entry : entries) {
    bool stored = false;
    made[is_upper(entry) ? 1 : 0].store(entry.stored, entry.hashes, stored);
  }

  // The directory's entries for a segment are neighbours: its shared bits are the top ones.
  const std::size_t share = std::size_t{1} << (directory.depth() - depth);
  const std::size_t first = directory.index(hashes) / share * share;
  for (std::size_t i = 0; i < share; ++i) {
    const Segment& to = made[splits && i >= share / 2 ? 1 : 0];
    directory.entries()[first + i].store(to.tagged(), std::memory_order_release);
  }
  epochs.retire(retired);
  retired->fill();
}

void IdHash::double_directory(Epochs& epochs) {
  const Directory old(directory_.load(std::memory_order_relaxed));
  const auto free_old = [old] { old.destroy(); };
  const auto retired = std::make_shared<Retired<decltype(free_old)>>(free_old);
  const Directory larger = Directory::make(old.depth() + 1);
  for (std::size_t i = 0; i < old.size(); ++i) {
    const std::uintptr_t segment = old.entries()[i].load(std::memory_order_relaxed);
    larger.entries()[2 * i].store(segment, std::memory_order_relaxed);
    larger.entries()[2 * i + 1].store(segment, std::memory_order_relaxed);
  }
  directory_.store(larger.tagged(), std::memory_order_release);
  epochs.retire(retired);
  retired->fill();
}

}  // namespace quire::vector
