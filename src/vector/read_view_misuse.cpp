// What must not compile. It is compiled as it is, which must work, and with QUIRE_MISUSE, which must
// be refused at each such line: see quire_compile_fail_test.
#include "quire/read_view.hpp"
#include "quire/vector_store.hpp"

namespace quire {

void find_in_a_view_that_goes_at_once(const VectorStore& store) {
  const ReadView view = store.view();
  static_cast<void>(view.find<float>(1));
  static_cast<void>(store.view().contains(1));
#ifdef QUIRE_MISUSE
  static_cast<void>(store.view().find<float>(1));
  static_cast<void>(store.view().find_bytes(1));
#endif
}

void ask_a_view_that_goes_at_once_for_more(const VectorStore& store,
                                           std::span<const std::uint64_t> ids,
                                           std::span<std::span<const std::byte>> out) {
  const ReadView view = store.view();
  static_cast<void>(view.get_many(ids, out));
  static_cast<void>(view.rows());
#ifdef QUIRE_MISUSE
  static_cast<void>(store.view().get_many(ids, out));
  static_cast<void>(store.view().rows());
#endif
}

}  // namespace quire
