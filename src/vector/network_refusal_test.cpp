// Stores on file systems of other machines are refused unless asked for.
#include <cerrno>

#include "vector/repair.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class NetworkStore : public StoreTest {
 protected:
  void move_to_network() { disk_->set_kind({.name = "NFS", .is_network = true}); }

  static constexpr OpenStoreOptions kAllowed{.background = false,
                                             .allow_network_file_system = true};
};

TEST_F(NetworkStore, IsNotMade) {
  move_to_network();
  const auto refused = StoreAccess::create(*disk_, kStorePath, {.dimension = 4});
  ASSERT_TRUE(failed_with(ErrorCode::unsupported, refused));
  EXPECT_EQ(
      refused.error().message(),
      "create /store: unsupported: this is on NFS, a network file system, where maps and locks "
      "are not safe; the option allow_network_file_system takes the risk");
  EXPECT_TRUE(disk_->list("/")->empty()) << "nothing was made";
  EXPECT_TRUE(succeeded(StoreAccess::create(*disk_, kStorePath, {.dimension = 4}, kAllowed)));
}

TEST_F(NetworkStore, IsNotOpenedForWritingOrReading) {
  create();
  put(1, 1);
  store_.reset();
  move_to_network();
  for (const StoreMode mode : {StoreMode::read_write, StoreMode::read_only}) {
    const auto refused = open(mode);
    ASSERT_TRUE(failed_with(ErrorCode::unsupported, refused));
    EXPECT_EQ(refused.error().path(), kStorePath);
    auto opened = open(mode, kAllowed);
    ASSERT_TRUE(succeeded(opened));
    EXPECT_EQ(contents_of(*opened), model_);
  }
}

TEST_F(NetworkStore, IsNotRepaired) {
  create();
  put(1, 1);
  store_.reset();
  move_to_network();
  ASSERT_TRUE(succeeded(disk_->flip(file("MANIFEST"), 50, std::byte{1})));
  const auto names = *disk_->list(kStorePath);
  const auto refused = repair(*disk_, kStorePath, {});
  ASSERT_TRUE(failed_with(ErrorCode::unsupported, refused));
  EXPECT_EQ(refused.error().path(), kStorePath);
  EXPECT_TRUE(failed_with(ErrorCode::unsupported, repair(*disk_, kStorePath, {.dry_run = true})));
  EXPECT_EQ(*disk_->list(kStorePath), names);
  const auto repaired = repair(*disk_, kStorePath, {.allow_network_file_system = true});
  ASSERT_TRUE(succeeded(repaired));
  EXPECT_TRUE(repaired->needed);
}

TEST_F(NetworkStore, IsLetThroughWhereTheSystemDoesNotTell) {
  create();
  store_.reset();
  move_to_network();
  disk_->set_hook([](const os::SimulatedCall& call) {
    const bool asks = std::string(call.operation) == "statfs";
    return os::SimulatedOutcome{.fail_with = asks ? ENOSYS : 0};
  });
  EXPECT_TRUE(succeeded(open()));
}

TEST_F(NetworkStore, WhatIsNotThereIsNotFoundAsEver) {
  EXPECT_TRUE(failed_with(ErrorCode::not_found, open()));
}

}  // namespace
}  // namespace quire::vector
