// Promise 3: a bad page is an error, not a signal.
#include <csignal>
#include <cstring>
#include <limits>

#include "mapped/mapped_file_fixture.hpp"
#include "quire/fault_guard.hpp"

namespace quire::mapped {
namespace {

class MappedFaultTest : public MappedFileTest {
 protected:
  // A file that believes to have 4 MiB, of which another process left one page.
  MappedFile cut_file(Access access = Access::read_write) {
    create(kSize);
    MappedFile file = open(path(), access);
    cut(path(), kPage);
    return file;
  }

  static constexpr std::uint64_t kSize = 4 * kMiB;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(2 * kMiB);
};

TEST_F(MappedFaultTest, CopyingFromACutFileIsAnError) {
  const MappedFile file = cut_file(Access::read_only);
  EXPECT_EQ(code_of(file.read_into(0, std::span(buffer_).first(kPage))), "ok");
  const auto failed = file.read_into(100, std::span(buffer_).first(kPage));
  EXPECT_EQ(code_of(failed), "truncated");
  EXPECT_EQ(failed.error().message(),
            "read " + path() + " [100, 4196): truncated: the file was cut to 4096 bytes");
  EXPECT_EQ(code_of(file.read_into(kMiB, buffer_)), "truncated");
}

TEST_F(MappedFaultTest, WritingToACutFileIsAnError) {
  MappedFile file = cut_file();
  EXPECT_EQ(code_of(file.write(100, std::span(buffer_).first(kPage))), "truncated");
  EXPECT_EQ(code_of(file.write(kMiB, buffer_)), "truncated");
  EXPECT_EQ(code_of(file.fill(kMiB, 10, std::byte{1})), "truncated");
  EXPECT_EQ(std::filesystem::file_size(path()), kPage);
}

TEST_F(MappedFaultTest, GuardedCodeLeavesWithAnError) {
  MappedFile file = cut_file();
  const auto first_of = [](auto bytes) noexcept { return std::to_integer<int>(bytes[0]); };
  EXPECT_EQ(file.guarded({0, 10}, first_of).value(), 0);
  EXPECT_EQ(code_of(file.guarded({kPage, 10}, first_of)), "truncated");
  const auto store = [](std::span<std::byte> bytes) noexcept { bytes.back() = std::byte{7}; };
  EXPECT_EQ(code_of(file.mutable_guarded({0, kPage}, store)), "ok");
  EXPECT_EQ(code_of(file.mutable_guarded({0, kPage + 1}, store)), "truncated");
}

TEST_F(MappedFaultTest, MakingTheMemoryOfACutFileReadyIsAnError) {
  const MappedFile file = cut_file();
  EXPECT_EQ(code_of(file.prefault({0, kSize}, Prefault::read)), "truncated");
  EXPECT_EQ(code_of(file.prefault({0, kSize}, Prefault::write)), "truncated");
  EXPECT_EQ(code_of(file.lock_in_memory({kPage, 1})), "truncated");
  EXPECT_EQ(code_of(file.prefault({0, kPage}, Prefault::write)), "ok");
}

TEST_F(MappedFaultTest, TheProcessGoesOnWithTheRepairedFile) {
  MappedFile file = cut_file();
  ASSERT_EQ(code_of(file.write(2 * kPage, as_bytes("lost"))), "truncated");
  cut(path(), kSize);
  EXPECT_TRUE(file.write(2 * kPage, as_bytes("kept")));
  EXPECT_EQ(text(file, 2 * kPage, 4), "kept");
}

TEST_F(MappedFaultTest, LargeCallsWorkWithoutTheHandler) {
  MappedFile file = cut_file();
  ASSERT_EQ(code_of(file.fill(0, kSize, {})), "truncated");
  struct sigaction guard{};
  ::sigaction(SIGBUS, nullptr, &guard);
  ::signal(SIGBUS, SIG_DFL);
  EXPECT_FALSE(fault_guard_installed());
  EXPECT_EQ(code_of(file.read_into(0, buffer_)), "truncated");
  EXPECT_EQ(code_of(file.write(0, buffer_)), "truncated");
  EXPECT_EQ(code_of(file.fill(0, kSize, std::byte{1})), "truncated");
  cut(path(), kSize);
  EXPECT_TRUE(file.fill(1, kSize - 2, std::byte{2}));
  reinstall_fault_guard();
  EXPECT_TRUE(fault_guard_installed());
  EXPECT_EQ(file.bytes(kSize - 2, 2).value()[0], std::byte{2});
  EXPECT_EQ(file.bytes(kSize - 2, 2).value()[1], std::byte{0});
}

}  // namespace
}  // namespace quire::mapped
