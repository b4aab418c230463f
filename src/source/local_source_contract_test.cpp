// The contract of byte sources, kept by files, maps and memory.
#include "source/local_backends_fixture.hpp"
#include "source/source_contract.hpp"

namespace quire::source {
namespace {

using Places = testing::Types<FilePlace, MapPlace, MemoryPlace>;
INSTANTIATE_TYPED_TEST_SUITE_P(Local, SourceContract, Places);

}  // namespace
}  // namespace quire::source
