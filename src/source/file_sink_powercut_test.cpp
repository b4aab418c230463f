// File sinks where calls fail and the power goes.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "os/simulated_file_system.hpp"
#include "source/source_access.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {
namespace {

const std::string kOld = "old and durable";
const std::string kNew = pattern(10'000);

class FileSinkFaultsTest : public testing::Test {
 protected:
  using Disk = os::SimulatedFileSystem;

  // A disk, with a durable file or without.
  explicit FileSinkFaultsTest(bool has_old = true) : has_old_(has_old) { start_again(); }

  void start_again() {
    disk_ = std::make_unique<Disk>();
    if (!has_old_) return;
    auto file = disk_->open("/file", os::OpenMode::create_new, 0644).value();
    ASSERT_TRUE(file->write_all(0, std::as_bytes(std::span(kOld))));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(disk_->sync_directory("/"));
  }
  Result<void> replace(IfExists if_exists = IfExists::replace) {
    auto sink = open_file_sink(*disk_, "/file", {.if_exists = if_exists});
    if (!sink) return std::unexpected(sink.error());
    for (const std::size_t at : {0U, 5000U}) {
      const auto part = std::span(kNew).subspan(at, 5000);
      if (auto done = (*sink)->append(std::as_bytes(part)); !done) return done;
    }
    return (*sink)->commit();
  }
  static std::string content(os::FileSystem& disk) {
    auto file = disk.open("/file", os::OpenMode::read, 0);
    if (!file) return code_of(file);
    std::string bytes((*file)->info()->size, '\0');
    EXPECT_TRUE((*file)->read_exactly(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }
  // The old file, the new one, or what is neither.
  std::string state(os::FileSystem& disk) const {
    const std::string found = content(disk);
    if (found == kNew) return "new";
    return found == (has_old_ ? kOld : "not_found") ? "old" : "neither: " + found.substr(0, 60);
  }
  // Fails the call of this number, from now on or once.
  void fail_call(std::uint64_t number, int errno_value, bool for_ever) {
    const std::uint64_t target = disk_->calls() + number;
    disk_->set_hook([=](const os::SimulatedCall& call) {
      const bool now = for_ever ? call.number >= target : call.number == target;
      return os::SimulatedOutcome{.fail_with = now ? errno_value : 0, .write_limit = 3000};
    });
  }
  // Cuts the power at each call of `act`; the states that the machines wake up in.
  std::set<std::string> states_after_cuts(auto act) {
    std::set<std::string> states;
    os::Random random(1);
    disk_->set_hook([&](const os::SimulatedCall& /*call*/) {
      for (const auto survivors : {os::Survivors::none, os::Survivors::all, os::Survivors::random,
                                   os::Survivors::random, os::Survivors::random}) {
        states.insert(state(*disk_->power_cut(survivors, random)));
      }
      return os::SimulatedOutcome{.write_limit = 3000};
    });
    act();
    disk_->set_hook({});
    return states;
  }
  std::size_t names() { return disk_->list("/")->size(); }

  const bool has_old_;
  std::unique_ptr<Disk> disk_;
};

class NewFileSinkFaultsTest : public FileSinkFaultsTest {
 protected:
  NewFileSinkFaultsTest() : FileSinkFaultsTest(false) {}
};

const std::set<std::string> kOldOrNew{"new", "old"};

TEST_F(FileSinkFaultsTest, APowerCutLeavesTheOldFileOrTheNew) {
  EXPECT_EQ(states_after_cuts([&] { EXPECT_TRUE(replace()); }), kOldOrNew);
  os::Random random(1);
  EXPECT_EQ(state(*disk_->power_cut(os::Survivors::none, random)), "new") << "after commit";
}

TEST_F(NewFileSinkFaultsTest, APowerCutLeavesNothingOrTheNewFile) {
  EXPECT_EQ(states_after_cuts([&] { EXPECT_TRUE(replace(IfExists::fail)); }), kOldOrNew);
  os::Random random(1);
  EXPECT_EQ(state(*disk_->power_cut(os::Survivors::none, random)), "new") << "after commit";
}

TEST_F(FileSinkFaultsTest, APowerCutOfADroppedSinkLeavesTheOldFile) {
  const auto drop = [&] {
    auto sink = open_file_sink(*disk_, "/file", {}).value();
    EXPECT_TRUE(sink->append(std::as_bytes(std::span(kNew))));
  };
  EXPECT_EQ(states_after_cuts(drop), std::set<std::string>{"old"});
}

// Each call fails in turn, once and from then on. An error means that the old file is there, unless the
// sink says that it cannot know.
TEST_F(FileSinkFaultsTest, AnyFailureLeavesTheOldFile) {
  std::set<std::string> codes;
  for (const bool for_ever : {false, true}) {
    for (std::uint64_t call = 0;; ++call) {
      start_again();
      fail_call(call, ENOSPC, for_ever);
      const std::uint64_t before = disk_->calls();
      const auto done = replace();
      const bool was_reached = disk_->calls() - before > call;
      disk_->set_hook({});
      if (!was_reached) break;
      codes.insert(code_of(done));
      const bool is_new = done || done.error().code() == ErrorCode::outcome_unknown;
      EXPECT_EQ(state(*disk_), is_new ? "new" : "old") << "call " << call << " " << code_of(done);
      EXPECT_TRUE(for_ever || names() == 1) << "call " << call;
    }
  }
  EXPECT_TRUE(codes.contains("no_space"));
  EXPECT_TRUE(codes.contains("outcome_unknown"));
}

// Were an append that failed forgotten, commit would make a file with a hole.
TEST_F(FileSinkFaultsTest, AFailedSinkStaysFailed) {
  auto sink = open_file_sink(*disk_, "/file", {}).value();
  const std::string large = pattern(3'000'000);
  disk_->set_capacity(1'000'000);
  EXPECT_EQ(code_of(sink->append(std::as_bytes(std::span(large)))), "no_space");
  EXPECT_EQ(sink->size(), 0U);
  disk_->set_capacity(UINT64_MAX);
  EXPECT_EQ(code_of(sink->append(std::as_bytes(std::span(kNew)))), "no_space");
  EXPECT_EQ(code_of(sink->append({})), "no_space");
  EXPECT_EQ(code_of(sink->commit()), "no_space");
  sink.reset();
  EXPECT_EQ(state(*disk_), "old");
  EXPECT_EQ(names(), 1U);
}

TEST_F(FileSinkFaultsTest, SaysSoIfItCannotKnow) {
  auto sink = open_file_sink(*disk_, "/file", {}).value();
  EXPECT_TRUE(sink->append(std::as_bytes(std::span(kNew))));
  disk_->set_hook([](const os::SimulatedCall& call) {
    const bool now = call.operation == std::string_view("sync_directory");
    return os::SimulatedOutcome{.fail_with = now ? EIO : 0};
  });
  EXPECT_EQ(code_of(sink->commit()), "outcome_unknown");
  EXPECT_EQ(code_of(sink->commit()), "outcome_unknown");
  EXPECT_EQ(code_of(sink->append({})), "outcome_unknown");
  disk_->set_hook({});
  EXPECT_EQ(state(*disk_), "new");
}

}  // namespace
}  // namespace quire::source
