// A mapped file as a stream: as std::ifstream, but for what goes wrong.
#include "quire/mapped_stream.hpp"

#include <iterator>
#include <limits>
#include <random>
#include <sstream>
#include <type_traits>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

static_assert(!std::is_move_constructible_v<MappedIstream>);
static_assert(!std::is_copy_constructible_v<MappedIstream>);

constexpr std::uint64_t kBuffer = std::uint64_t{64} << 10;

class MappedStreamTest : public MappedFileTest {
 protected:
  MappedFile file_of(std::string_view text) {
    put(path(), text);
    return open(path());
  }
  // Lines of very different lengths, of which the buffer's end meets some.
  static std::string many_lines() {
    std::string all;
    for (int i = 0; all.size() < 3 * kBuffer + 77; ++i) {
      all += std::string(static_cast<std::size_t>(i * i % 1999), static_cast<char>('a' + i % 26));
      all += std::to_string(i) + '\n';
    }
    return all;
  }
  static std::string take(std::istream& in, std::size_t count) {
    std::string got(count, '\0');
    in.read(got.data(), static_cast<std::streamsize>(count));
    got.resize(static_cast<std::size_t>(in.gcount()));
    return got;
  }
  static std::string rest(std::istream& in) {
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  // A file that believes to have 16 pages, of which another process left two.
  MappedFile cut_file() {
    MappedFile file = create(16 * kPage);
    cut(path(), 2 * kPage);
    return file;
  }
};

TEST_F(MappedStreamTest, ReadsWhatStreamsRead) {
  const MappedFile file = file_of("12 apples\n0.5 pears\n\xff");
  MappedIstream in(file);
  int count = 0;
  std::string word;
  double half = 0;
  EXPECT_TRUE(in >> count >> word >> half);
  EXPECT_EQ(std::to_string(count) + word, "12apples");
  EXPECT_EQ(half, 0.5);
  EXPECT_TRUE(std::getline(in, word));
  EXPECT_EQ(in.get(), 0xff);
  EXPECT_FALSE(in.eof());
  EXPECT_EQ(in.get(), std::istream::traits_type::eof());
  EXPECT_TRUE(in.eof() && !in.bad() && !in.error());
}

TEST_F(MappedStreamTest, LinesComeWholeWhereverTheBufferEnds) {
  const std::string all = many_lines();
  MappedIstream in(file_of(all));
  std::string got;
  for (std::string line; std::getline(in, line);) got += line + '\n';
  EXPECT_EQ(got, all);
}

TEST_F(MappedStreamTest, LargeReadsComeWholeFromAnywhere) {
  const std::string all = many_lines();
  MappedIstream in(file_of(all));
  EXPECT_EQ(take(in, 5), all.substr(0, 5));
  EXPECT_EQ(take(in, 2 * kBuffer), all.substr(5, 2 * kBuffer));
  EXPECT_EQ(take(in, 3), all.substr(5 + 2 * kBuffer, 3));
  EXPECT_EQ(take(in, 9 * kBuffer), all.substr(8 + 2 * kBuffer));
  EXPECT_TRUE(in.eof() && in.fail() && !in.bad());
}

TEST_F(MappedStreamTest, AnEmptyFileIsAtItsEnd) {
  MappedIstream in(create(0));
  EXPECT_EQ(in.peek(), std::istream::traits_type::eof());
  EXPECT_TRUE(in.eof() && !in.bad());
}

// The same random calls on both; after each, the same bytes, position and state.
class AgainstIfstreamTest : public MappedStreamTest {
 protected:
  struct Outcome {
    std::string got;
    std::streamoff position = 0;
    int state = 0;
    friend bool operator==(const Outcome&, const Outcome&) = default;
    friend void PrintTo(const Outcome& outcome, std::ostream* out) {
      *out << outcome.got.substr(0, 20) << " (" << outcome.got.size() << " bytes), at "
           << outcome.position << ", state " << outcome.state;
    }
  };
  static Outcome after(std::istream& in, std::string got) {
    const int state = in.rdstate();
    in.clear();
    const std::streamoff position = in.tellg();
    return {std::move(got), position, state};
  }
  static Outcome call(std::istream& in, unsigned kind, std::streamoff number) {
    std::string got;
    switch (kind) {
      case 0:
        in.seekg(number);
        break;
      case 1:
        in.seekg(-number, std::ios::end);
        break;
      case 2:
        in.seekg(number - 1000, std::ios::cur);
        break;
      case 3:
        std::getline(in, got);
        break;
      case 4:
        got = static_cast<char>(in.get());
        break;
      case 5:
        got = static_cast<char>(in.get());
        in.unget();
        break;
      case 6:
        in.ignore(number / 16, 'z');
        break;
      case 7:
        got = take(in, static_cast<std::size_t>(number) % 100);
        break;
      default:
        got = take(in, static_cast<std::size_t>(number));
        break;
    }
    return after(in, std::move(got));
  }
};

TEST_F(AgainstIfstreamTest, RandomCallsGiveTheSame) {
  const std::string all = many_lines();
  MappedIstream mapped(file_of(all));
  std::ifstream plain(path(), std::ios::binary);
  std::mt19937 random(20240607);  // NOLINT(bugprone-random-generator-seed): the same each time
  const auto beyond = all.size() + 3000;
  for (int i = 0; i < 5000; ++i) {
    const auto kind = static_cast<unsigned>(random() % 9);
    const auto number = static_cast<std::streamoff>(random() % beyond);
    ASSERT_EQ(call(mapped, kind, number), call(plain, kind, number))
        << "call " << i << ", kind " << kind << ", number " << number;
  }
}

// Seeking.

TEST_F(MappedStreamTest, SeekingBeforeTheStartFailsAndStays) {
  MappedIstream in(file_of("0123456789"));
  in.seekg(4);
  for (const auto from : {std::ios::beg, std::ios::cur, std::ios::end}) {
    for (const std::streamoff back :
         {std::streamoff{-11}, std::numeric_limits<std::streamoff>::min()}) {
      in.seekg(back, from);
      EXPECT_TRUE(in.fail() && !in.bad() && !in.eof());
      in.clear();
      EXPECT_EQ(in.tellg(), 4);
    }
  }
  EXPECT_EQ(in.get(), '4');
}

TEST_F(MappedStreamTest, SeekingPastTheEndFindsTheEnd) {
  MappedIstream in(file_of("0123456789"));
  in.seekg(5, std::ios::end);
  EXPECT_EQ(in.tellg(), 15);
  EXPECT_EQ(take(in, 1), "");
  EXPECT_TRUE(in.eof() && !in.bad());
  in.clear();
  in.seekg(-6, std::ios::cur);
  EXPECT_EQ(in.get(), '9');
}

TEST_F(MappedStreamTest, PositionsThatOverflowAreRefused) {
  MappedIstream in(file_of("0123456789"));
  constexpr auto kLast = std::numeric_limits<std::streamoff>::max();
  in.seekg(kLast);
  EXPECT_EQ(in.tellg(), kLast);
  EXPECT_FALSE(in.seekg(1, std::ios::cur));
  in.clear();
  EXPECT_FALSE(in.seekg(kLast, std::ios::end));
  in.clear();
  EXPECT_EQ(in.tellg(), kLast);
}

TEST_F(MappedStreamTest, PositionsHave64Bits) {
  constexpr std::uint64_t kFar = std::uint64_t{5} << 30;
  MappedFile file = create(kFar + 10, {.reserve = kFar + 10, .sparse = true});
  ASSERT_TRUE(file.write(kFar, as_bytes("far away")));
  MappedIstream in(file);
  in.seekg(kFar);
  EXPECT_EQ(take(in, 8), "far away");
  EXPECT_EQ(in.tellg(), static_cast<std::streamoff>(kFar + 8));
}

// What others do to the file meanwhile.

TEST_F(MappedStreamTest, GoesOnWhenTheFileHasGrown) {
  MappedFile file = file_of("old");
  MappedIstream in(file);
  EXPECT_EQ(rest(in), "old");
  ASSERT_TRUE(file.grow(6));
  ASSERT_TRUE(file.write(3, as_bytes("new")));
  in.clear();
  EXPECT_EQ(rest(in), "new");
}

TEST_F(MappedStreamTest, EndsWhereTheFileWasShrunkTo) {
  MappedFile file = create(3 * kBuffer);
  MappedIstream in(file);
  in.seekg(2 * kBuffer);
  ASSERT_TRUE(file.shrink(kBuffer));
  EXPECT_EQ(in.get(), std::istream::traits_type::eof());
  EXPECT_TRUE(in.eof() && !in.bad());
}

TEST_F(MappedStreamTest, ASeekOrASyncSeesWhatWasStoredMeanwhile) {
  MappedFile file = file_of("old text");
  MappedIstream in(file);
  EXPECT_EQ(take(in, 3), "old");
  ASSERT_TRUE(file.write(0, as_bytes("new TEXT")));
  EXPECT_EQ(in.tellg(), 3);
  EXPECT_EQ(take(in, 2), " t") << "asking for the position keeps the buffer";
  EXPECT_EQ(in.sync(), 0);
  EXPECT_EQ(take(in, 3), "EXT");
  in.seekg(0);
  EXPECT_EQ(take(in, 3), "new");
}

TEST_F(MappedStreamTest, StreamsOnOneFileAreIndependent) {
  const MappedFile file = file_of("0123456789");
  MappedIstream one(file);
  MappedIstream other(file);
  one.seekg(5);
  EXPECT_EQ(other.get(), '0');
  EXPECT_EQ(one.get(), '5');
  EXPECT_EQ(other.get(), '1');
}

TEST_F(MappedStreamTest, KeepsTheMappingAliveAndNoLonger) {
  const Held before = held();
  {
    auto file = std::make_unique<MappedFile>(file_of("still here"));
    MappedIstream in(*file);
    file.reset();
    EXPECT_EQ(rest(in), "still here");
  }
  EXPECT_EQ(held(), before);
}

// What goes wrong.

TEST_F(MappedStreamTest, ACutFileIsBadAndNotAtItsEnd) {
  MappedIstream in(cut_file());
  std::string line;
  EXPECT_FALSE(std::getline(in, line));
  EXPECT_TRUE(in.bad() && !in.eof());
  ASSERT_TRUE(in.error());
  EXPECT_EQ(to_string(in.error()->code()), "truncated");
  EXPECT_EQ(in.error()->path(), path());
}

TEST_F(MappedStreamTest, AReadThatFailsTakesNothing) {
  const MappedFile file = create(16 * kBuffer);
  for (const std::uint64_t count : {kBuffer + 100, 4 * kBuffer}) {
    MappedIstream in(file);
    EXPECT_EQ(in.get(), 0) << "and the rest of the buffer is still to be taken";
    cut(path(), kBuffer);
    EXPECT_EQ(take(in, count), "");
    EXPECT_TRUE(in.bad() && !in.eof());
    in.clear();
    EXPECT_EQ(in.tellg(), 1);
    cut(path(), 16 * kBuffer);
    EXPECT_EQ(take(in, count).size(), count) << "and it goes on when the file is whole again";
  }
}

TEST_F(MappedStreamTest, OneBackIntoACutFileIsBad) {
  const MappedFile file = create(2 * kBuffer);
  MappedIstream in(file);
  in.seekg(2 * kPage);
  cut(path(), kPage);
  EXPECT_TRUE(in.unget().bad());
  in.clear();
  EXPECT_EQ(in.tellg(), static_cast<std::streamoff>(2 * kPage));
}

TEST_F(MappedStreamTest, OnlyWhatTheFileHasCanBePutBack) {
  MappedIstream in(file_of("0123456789"));
  EXPECT_FALSE(in.unget()) << "nothing is before the start";
  in.clear();
  in.seekg(5);
  EXPECT_FALSE(in.putback('x'));
  in.clear();
  EXPECT_TRUE(in.putback('4'));
  EXPECT_EQ(rest(in), "456789");
}

TEST_F(MappedStreamTest, GoesBackByteForByte) {
  MappedIstream in(file_of("0123456789"));
  std::string backwards;
  in.seekg(0, std::ios::end);
  while (in.unget()) backwards += static_cast<char>(in.peek());
  EXPECT_EQ(backwards, "9876543210");
}

TEST_F(MappedStreamTest, AClosedFileIsBad) {
  for (const std::size_t count : {std::size_t{1}, 2 * kBuffer}) {
    const MappedFile closed;
    MappedIstream in(closed);
    EXPECT_EQ(take(in, count), "");
    EXPECT_TRUE(in.bad());
    EXPECT_EQ(to_string(in.error()->code()), "closed");
  }
}

TEST_F(MappedStreamTest, ThrowsWhenAskedTo) {
  MappedIstream in(cut_file());
  in.exceptions(std::ios::badbit);
  EXPECT_THROW(in.get(), std::ios_base::failure);
  EXPECT_EQ(to_string(in.error()->code()), "truncated");
}

TEST_F(MappedStreamTest, ReadingFromTheBufferItselfTellsAFailureFromTheEnd) {
  const MappedFile file = cut_file();
  MappedIstream in(file);
  EXPECT_THROW(std::string(std::istreambuf_iterator<char>(in), {}), std::ios_base::failure);
  EXPECT_TRUE(in.bad());
  MappedIstream again(file);
  std::ostringstream out;
  EXPECT_TRUE((out << again.rdbuf()).fail());
  EXPECT_TRUE(again.bad());
}

}  // namespace
}  // namespace quire::mapped
