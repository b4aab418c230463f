#include "quire/mapped_stream.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <streambuf>
#include <utility>

namespace quire {
inline namespace v0 {

// Invariants:
//   1. The get area is empty, or [eback, egptr) is what the file had before `end_`.
//   2. The stream's position is position(): `end_` less what is still to be taken.
//   3. A call that throws leaves position() as it was.
class MappedIstream::Buffer : public std::streambuf {
 public:
  Buffer(MappedIstream& stream, const MappedFile& file)
      : stream_(stream),
        file_(file.share()),
        memory_(std::make_unique_for_overwrite<char[]>(kSize)) {}

  const std::optional<Error>& error() const noexcept { return error_; }

 protected:
  int_type underflow() override {
    if (gptr() == egptr() && refill() == 0) return traits_type::eof();
    return traits_type::to_int_type(*gptr());
  }

  std::streamsize xsgetn(char* to, std::streamsize count) override {
    if (count <= 0) return 0;
    const auto wanted = static_cast<std::size_t>(count);
    const std::size_t held = std::min(wanted, available());
    if (held != 0) std::memcpy(to, gptr(), held);
    const std::size_t rest = wanted - held;
    if (rest == 0) {
      take(held);
      return count;
    }
    std::size_t got = 0;
    if (rest >= kSize) {
      got = copy(end_, to + held, rest);
      move_to(end_ + got);
    } else {
      move_to(position());
      const std::uint64_t from = end_ + held;
      const std::size_t loaded = copy(from, memory_.get(), kSize);
      got = std::min(rest, loaded);
      hold(from, loaded);
      std::memcpy(to + held, memory_.get(), got);
      take(got);
    }
    return static_cast<std::streamsize>(held + got);
  }

  // One back of what is not in the buffer any more.
  int_type pbackfail(int_type character) override {
    if (position() == 0) return traits_type::eof();
    const std::uint64_t before = position();
    char previous = 0;
    if (copy(before - 1, &previous, 1) == 0) return traits_type::eof();
    // A character that the file does not have cannot be put there.
    const bool any = traits_type::eq_int_type(character, traits_type::eof());
    if (!any && !traits_type::eq(traits_type::to_char_type(character), previous)) {
      return traits_type::eof();
    }
    move_to(before - 1);
    return traits_type::to_int_type(previous);
  }

  pos_type seekoff(off_type offset, std::ios_base::seekdir from,
                   std::ios_base::openmode which) override {
    if ((which & std::ios_base::in) == 0) return nowhere();
    std::uint64_t base = 0;
    if (from == std::ios_base::cur) base = position();
    if (from == std::ios_base::end) base = file_.size();
    if (offset < 0) {
      // Negated in unsigned arithmetic, where the least number has its opposite.
      const std::uint64_t back = std::uint64_t{0} - static_cast<std::uint64_t>(offset);
      if (back > base) return nowhere();
      base -= back;
    } else {
      if (static_cast<std::uint64_t>(offset) > kLast - std::min(base, kLast)) return nowhere();
      base += static_cast<std::uint64_t>(offset);
    }
    if (base != position()) move_to(base);
    return static_cast<off_type>(base);
  }

  pos_type seekpos(pos_type to, std::ios_base::openmode which) override {
    return seekoff(off_type(to), std::ios_base::beg, which);
  }

  std::streamsize showmanyc() override {
    const std::uint64_t size = file_.size();
    return static_cast<std::streamsize>(size - std::min(size, position()));
  }

  int sync() override {
    move_to(position());
    return 0;
  }

 private:
  static constexpr std::size_t kSize = std::size_t{64} << 10;
  static constexpr std::uint64_t kLast = std::numeric_limits<off_type>::max();
  static pos_type nowhere() { return off_type{-1}; }

  std::size_t available() const noexcept { return static_cast<std::size_t>(egptr() - gptr()); }
  std::uint64_t position() const noexcept { return end_ - available(); }

  // With an empty buffer.
  void move_to(std::uint64_t position) noexcept { hold(position, 0); }
  // The buffer has the bytes at `from`.
  void hold(std::uint64_t from, std::size_t length) noexcept {
    setg(memory_.get(), memory_.get(), memory_.get() + length);
    end_ = from + length;
  }
  void take(std::size_t count) noexcept { setg(eback(), gptr() + count, egptr()); }

  std::size_t refill() {
    move_to(position());
    const std::size_t loaded = copy(end_, memory_.get(), kSize);
    hold(end_, loaded);
    return loaded;
  }

  // Copies up to `most` bytes out of the file; none if there are none. Throws what the stream makes
  // badbit of.
  std::size_t copy(std::uint64_t offset, char* to, std::size_t most) {
    for (;;) {
      const std::uint64_t size = file_.size();
      if (offset >= size && file_.is_open()) return 0;
      const auto length = std::min<std::uint64_t>(most, size - std::min(size, offset));
      auto done = file_.read_into(offset, std::as_writable_bytes(std::span(to, length)));
      if (done) return length;
      // Shrunk since it was asked for its size: asked again.
      if (done.error().code() == ErrorCode::out_of_range) continue;
      error_ = std::move(done).error();
      // For those who read from the buffer itself, and do not come by the stream.
      stream_.setstate(std::ios_base::badbit);
      throw std::ios_base::failure(error_->message(), error_->to_error_code());
    }
  }

  MappedIstream& stream_;
  const MappedFile file_;
  const std::unique_ptr<char[]> memory_;
  std::uint64_t end_ = 0;
  std::optional<Error> error_;
};

MappedIstream::MappedIstream(const MappedFile& file)
    : std::istream(nullptr), buffer_(std::make_unique<Buffer>(*this, file)) {
  rdbuf(buffer_.get());
}

MappedIstream::~MappedIstream() = default;

const std::optional<Error>& MappedIstream::error() const noexcept { return buffer_->error(); }

}  // namespace v0
}  // namespace quire
