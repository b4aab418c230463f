// What must not compile. It is compiled as it is, which must work, and with QUIRE_MISUSE, which must
// be refused at each such line: see quire_compile_fail_test.
#include "quire/change_counter.hpp"
#include "quire/mapped_atomic.hpp"

namespace quire {

void store_where_only_reading_is_allowed(Atomic<const std::uint32_t> word) {
  static_cast<void>(word.load());
#ifdef QUIRE_MISUSE
  word.store(1);
#endif
}

void notify_where_nothing_can_be_stored(Atomic<const std::uint32_t> word) {
  static_cast<void>(word.wait(0));
#ifdef QUIRE_MISUSE
  word.notify_all();
#endif
}

void wait_on_more_than_a_futex(Atomic<std::uint64_t> word) {
  static_cast<void>(word.load());
#ifdef QUIRE_MISUSE
  static_cast<void>(word.wait(0));
#endif
}

void make_a_word_of_any_type(std::uint32_t* word) {
  static_cast<void>(Atomic<std::uint32_t>(word));
#ifdef QUIRE_MISUSE
  static_cast<void>(sizeof(Atomic<float>));
#endif
}

void take_constness_away(Atomic<std::uint32_t> word) {
  const Atomic<const std::uint32_t> read_only = word;
  static_cast<void>(read_only);
#ifdef QUIRE_MISUSE
  const Atomic<std::uint32_t> writable = read_only;
#endif
}

void assign_an_element(AtomicArray<std::uint32_t> words) {
  words[1].store(words[2].load());
#ifdef QUIRE_MISUSE
  words[1] = words[2];
#endif
}

void announce_as_a_reader(ChangeObserver& changes) {
  static_cast<void>(changes.value());
#ifdef QUIRE_MISUSE
  changes.announce();
#endif
}

void count_in_a_file_that_is_const(const MappedFile& file) {
  static_cast<void>(ChangeObserver::at(file, 0));
#ifdef QUIRE_MISUSE
  static_cast<void>(ChangeCounter::at(file, 0));
#endif
}

}  // namespace quire
