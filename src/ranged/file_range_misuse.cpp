// What must not compile. It is compiled as it is, which must work, and with QUIRE_MISUSE, which must
// be refused at each such line: see quire_compile_fail_test.
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "quire/ranged_file.hpp"

namespace quire {

void copy_a_range(FileRange& range) {
  const FileRange moved = std::move(range);
#ifdef QUIRE_MISUSE
  const FileRange copied = moved;
#endif
}

void assign_a_copy(FileRange& range, FileRange& other) {
  range = std::move(other);
#ifdef QUIRE_MISUSE
  range = other;
#endif
}

void keep_a_copy_in_a_list(FileRange& range, std::vector<FileRange>& ranges) {
  ranges.push_back(std::move(range));
#ifdef QUIRE_MISUSE
  ranges.front() = ranges.back();
#endif
}

void share_a_range_with_a_closure(FileRange range) {
  const auto owner = [mine = std::move(range)]() mutable { return mine.size(); };
  static_cast<void>(sizeof owner);
#ifdef QUIRE_MISUSE
  const auto twin = owner;
#endif
}

void forge_a_range(RangedFile& file) {
  static_cast<void>(file.allocate_at({0, 10}));
#ifdef QUIRE_MISUSE
  const FileRange of_nothing;
  const FileRange of_numbers{ByteRange{0, 10}};
  const FileRange of_a_file{nullptr, ByteRange{0, 10}};
#endif
}

void cast_bytes_to_a_range() {
  constexpr std::array<std::byte, sizeof(FileRange)> kBytes{};
  static_cast<void>(kBytes);
#ifdef QUIRE_MISUSE
  static_cast<void>(std::bit_cast<FileRange>(kBytes));
#endif
}

void forge_a_receipt(FileRange& range) {
  static_cast<void>(range.mark_written({0, 1}));
#ifdef QUIRE_MISUSE
  const WriteReceipt of_nothing;
  const WriteReceipt of_numbers{1, ByteRange{0, 10}};
  static_cast<void>(std::bit_cast<WriteReceipt>(std::array<std::byte, sizeof(WriteReceipt)>{}));
#endif
}

void write_through_a_range_that_is_only_looked_at(const FileRange& range) {
  static_cast<void>(range.bytes());
#ifdef QUIRE_MISUSE
  static_cast<void>(range.write({}));
  static_cast<void>(range.append({}));
  static_cast<void>(range.mark_written({0, 1}));
  range.bytes()[0] = std::byte{1};
#endif
}

void split_and_keep_the_whole(FileRange& range) {
  static_cast<void>(std::move(range).split_at(1));
#ifdef QUIRE_MISUSE
  static_cast<void>(range.split_at(1));
  static_cast<void>(range.split_at_align_up(1, 64));
  static_cast<void>(range.split_at_align_down(1, 64));
#endif
}

void join_and_keep_the_neighbour(FileRange& range, FileRange& neighbour) {
  static_cast<void>(range.join(std::move(neighbour)));
#ifdef QUIRE_MISUSE
  static_cast<void>(range.join(neighbour));
#endif
}

void free_and_keep_the_range(FileRange& range) {
  static_cast<void>(std::move(range).free());
#ifdef QUIRE_MISUSE
  static_cast<void>(range.free());
#endif
}

void write_without_a_range(RangedFile& file) {
  static_cast<void>(file.unchecked().write_all_at(0, {}));
#ifdef QUIRE_MISUSE
  static_cast<void>(file.write(0, {}));
#endif
}

void make_a_second_allocator_for_a_file(RangedFile& file) {
  static_cast<void>(file.unallocated());
#ifdef QUIRE_MISUSE
  RangedFile twin = file;
#endif
}

void allocate_from_a_file_that_is_only_looked_at(const RangedFile& file) {
  static_cast<void>(file.coverage());
#ifdef QUIRE_MISUSE
  static_cast<void>(file.allocate(1));
#endif
}

}  // namespace quire
