// What compiles, and must be warned of: using a range after it was given away. With QUIRE_MISUSE defined,
// Clang's -Wconsumed and clang-tidy's bugprone-use-after-move must each name every such line; without it
// they must be silent. See quire_warning_test. At run time it is the error `closed`: file_range_test.
#include <utility>

#include "quire/ranged_file.hpp"

namespace quire {

void take(FileRange range) { static_cast<void>(range.size()); }

void write_after_it_was_given_to_a_function(RangedFile& file) {
  FileRange range = file.allocate(10).value();
  static_cast<void>(range.write({}));
  take(std::move(range));
#ifdef QUIRE_MISUSE
  static_cast<void>(range.write({}));
#endif
}

void append_after_it_was_moved(RangedFile& file) {
  FileRange range = file.allocate(10).value();
  FileRange owner = std::move(range);
  static_cast<void>(owner.append({}));
#ifdef QUIRE_MISUSE
  static_cast<void>(range.append({}));
#endif
}

void touch_its_bytes_after_it_was_split(RangedFile& file) {
  FileRange range = file.allocate(10).value();
  static_cast<void>(std::move(range).split_at(5));
#ifdef QUIRE_MISUSE
  static_cast<void>(range.mutable_bytes());
#endif
}

void mark_it_after_it_was_freed(RangedFile& file) {
  FileRange range = file.allocate(10).value();
  static_cast<void>(std::move(range).free());
#ifdef QUIRE_MISUSE
  static_cast<void>(range.mark_written({0, 1}));
#endif
}

void split_it_after_it_was_joined(RangedFile& file) {
  FileRange range = file.allocate(10).value();
  FileRange neighbour = file.allocate(10).value();
  static_cast<void>(range.join(std::move(neighbour)));
#ifdef QUIRE_MISUSE
  static_cast<void>(std::move(neighbour).split_at(5));
#endif
}

}  // namespace quire
