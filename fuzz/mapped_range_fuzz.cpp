// Hostile ranges: whatever offsets and lengths the calls of mapped files are given, they do what was
// asked inside the file and refuse everything else, and never touch a byte beyond.
//
// The input is a list of steps of 17 bytes: what to do, offset, length. Ranges are compared with
// arithmetic in 128 bits, which does not overflow.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/chunks.hpp"
#include "quire/mapped_file.hpp"
#include "quire/segment.hpp"

namespace {

using quire::Access;
using quire::ByteRange;
using quire::MappedFile;

constexpr std::uint64_t kSize = 10'000;
constexpr std::uint64_t kReserve = std::uint64_t{2} << 20;

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_inside(ByteRange range, std::uint64_t size) {
  __extension__ using Wide = unsigned __int128;
  return Wide{range.offset} + range.length <= size;
}

// Refused ranges give out_of_range, and nothing but them.
template <class T>
void check(const quire::Result<T>& result, bool inside) {
  require(result.has_value() == inside);
  if (!inside) require(result.error().code() == quire::ErrorCode::out_of_range);
}

void check_arithmetic(ByteRange a, ByteRange b) {
  const auto made = ByteRange::make(a.offset, a.length);
  require(made.has_value() == is_inside(a, UINT64_MAX));
  require(a.fits(b.length) == is_inside(a, b.length));
  if (!made || !ByteRange::make(b.offset, b.length)) return;
  const ByteRange common = a.intersect(b);
  require(common.empty() == !a.overlaps(b));
  require(common.empty() || (a.contains(common) && b.contains(common)));
}

void run_step(MappedFile& file, std::uint8_t what, ByteRange range) {
  const std::uint64_t size = file.size();
  const bool inside = is_inside(range, size);
  // Calls that take memory of the caller's are given no more than a file can have.
  static std::vector<std::byte> buffer(kReserve + 1, std::byte{7});
  const bool has_buffer = range.length <= buffer.size();
  const auto bytes = std::span(buffer).first(has_buffer ? range.length : 0);
  switch (what % 16) {
    case 0:
      return check(file.bytes(range.offset, range.length), inside);
    case 1:
      return check(file.mutable_bytes(range.offset, range.length), inside);
    case 2:
      if (has_buffer) check(file.read_into(range.offset, bytes), inside);
      return;
    case 3:
      if (has_buffer) check(file.write(range.offset, bytes), inside);
      return;
    case 4:
      return check(file.fill(range.offset, range.length, std::byte{1}), inside);
    case 5: {
      const ByteRange from{range.offset, range.length % 4096};
      const std::uint64_t to = range.length / 4096;
      return check(file.copy_within(from, to),
                   is_inside(from, size) && is_inside({to, from.length}, size));
    }
    case 6:
      return check(file.pin(range.offset, range.length), inside);
    case 7: {
      const auto numbers = file.view_as<std::uint64_t>(range.offset, range.length);
      const bool fits =
          range.length <= kReserve && is_inside({range.offset, range.length * 8}, size);
      require(numbers.has_value() == (fits && range.offset % 8 == 0));
      return;
    }
    case 8: {
      // Memory is not written back: but what is outside is told first.
      const auto code = file.start_writeback(range).error().code();
      return require(code ==
                     (inside ? quire::ErrorCode::unsupported : quire::ErrorCode::out_of_range));
    }
    case 9:
      return check(file.advise(range, quire::AccessHint::dont_need), inside);
    case 10:
      return check(file.residency(range), inside);
    case 11:
      return check(file.prefault(range, quire::Prefault::read), inside);
    case 12: {
      const auto part = quire::MutableSegment::of(file, range);
      check(part, inside);
      if (!part) return;
      const auto beyond = part->bytes(range.length, 1);
      return check(beyond, false);
    }
    case 13: {
      const auto pieces = quire::chunks(file, range.length);
      require(pieces.has_value() == (range.length != 0));
      if (!pieces) return;
      std::uint64_t total = 0;
      std::size_t looked_at = 0;
      for (const auto piece : *pieces) {
        total += piece.size();
        if (++looked_at == 64) break;
      }
      require(total <= size);
      return;
    }
    case 14: {
      const bool good = range.offset >= size && range.offset <= kReserve;
      require(file.grow(range.offset).has_value() == good);
      return;
    }
    default: {
      const bool good = range.offset <= size;
      require(file.shrink(range.offset).has_value() == good);
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto memory = MappedFile::anonymous(kSize, {.reserve = kReserve});
  require(memory.has_value());
  ByteRange last;
  for (constexpr std::size_t kStep = 17; size >= kStep; data += kStep, size -= kStep) {
    ByteRange range;
    std::memcpy(&range.offset, data + 1, 8);
    std::memcpy(&range.length, data + 9, 8);
    // Half of them near the end of the file.
    if ((data[0] & 0x40U) != 0) range = {range.offset % (2 * kSize), range.length % (2 * kSize)};
    check_arithmetic(range, std::exchange(last, range));
    run_step(*memory, data[0], range);
  }
  return 0;
}
