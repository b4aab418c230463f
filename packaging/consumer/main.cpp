#include <quire/vector_store.hpp>

#include <array>
#include <iostream>

// value() throws where a call failed; a larger program looks at the error instead.
int main() {
  auto colours = quire::VectorStore::open_or_create("colours", {.dimension = 3}).value();
  colours.put(1, std::array{1.0F, 0.0F, 0.0F}).value();  // on the disk when it returns
  colours.put(2, std::array{0.0F, 0.5F, 0.5F}).value();

  const quire::ReadView view = colours.view();  // does not change while others write
  const auto nearest = view.nearest(std::array{0.0F, 0.4F, 0.6F}, 1).value();
  std::cout << "nearest: " << nearest[0][0].id << '\n';
  colours.close().value();
}
