// A disk that fails at some call and from then on, until it works again: whatever was under way, nothing
// acknowledged is lost and nothing is there that nobody wrote, though the power goes soon after.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

// Who goes on when the disk works again.
enum class Next : std::uint8_t { the_same_store, the_same_process, another_process };

class Outage : public StoreTest {
 protected:
  // Under `act` the first call and all later ones fail, then the second and all later, … until `act` is done
  // before. Each time `prepare` makes the store anew.
  void outage_at_each_call(const std::function<void()>& prepare, const std::function<void()>& act) {
    struct Case {
      Next next;
      int with;
    };
    for (const auto [next, with] :
         {Case{Next::the_same_store, ENOSPC}, Case{Next::the_same_process, EIO},
          Case{Next::another_process, EIO}, Case{Next::another_process, ENOSPC}}) {
      bool came = true;
      for (std::uint64_t call = 0; came; ++call) {
        ASSERT_LT(call, 300U);
        SCOPED_TRACE("errno " + std::to_string(with) + " from call " + std::to_string(call) +
                     " on, next " + std::to_string(static_cast<int>(next)));
        make_anew(prepare);
        const std::uint64_t before = disk_->calls();
        disk_->set_hook([=, left = call](const os::SimulatedCall&) mutable {
          if (left == 0) return os::SimulatedOutcome{.fail_with = with};
          --left;
          return os::SimulatedOutcome{};
        });
        act();
        came = disk_->calls() - before > call;
        disk_->set_hook({});
        go_on(next);
        if (HasFailure()) return;
      }
    }
  }

  void make_anew(const std::function<void()>& prepare) {
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    possible_ = {Model{}};
    mark_ = 0;
    create();
    prepare();
  }

  void go_on(Next next) {
    if (next == Next::the_same_store && store_) {
      ignore_error(write_some(1));  // it may be refused
      expect_durable(os::Survivors::none);
    }
    store_.reset();
    if (next == Next::another_process) forget_what_this_process_knows();
    reopen();
    if (HasFatalFailure()) return;
    // What opening found is there to stay.
    const Model found = contents_of(*store_);
    ASSERT_TRUE(is_possible(found)) << "opened again";
    possible_ = {found};
    expect_durable(os::Survivors::random);
    ASSERT_TRUE(succeeded(write_some(1)));
    expect_durable(os::Survivors::none);
  }

  void open_if_possible() {
    auto opened = open(StoreMode::read_write, options_);
    if (opened) store_.emplace(*std::move(opened));
  }

  void forget_what_this_process_knows() {
    const std::vector<std::string> names = disk_->list(kStorePath).value();
    for (const std::string& name : names) {
      disk_->open(file(name), os::OpenMode::read, 0).value()->forget_sync_failure();
    }
  }

  void expect_durable(os::Survivors survivors) {
    const auto after = disk_->power_cut(survivors, random_);
    const auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
    ASSERT_TRUE(succeeded(opened));
    ASSERT_TRUE(is_possible(contents_of(*opened))) << "after the power was lost";
  }

  bool is_possible(const Model& contents) const {
    return std::ranges::find(possible_, contents) != possible_.end();
  }

  // Puts `count` vectors as one batch.
  Result<void> write_some(std::uint64_t count) {
    std::vector<Model> with_it = possible_;
    std::vector<std::uint64_t> ids;
    std::vector<std::uint8_t> rows;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::vector<std::uint8_t> row = vector_of(++mark_, kDimension);
      ids.push_back(i == 0 ? mark_ % 5 : 100 + i);
      rows.insert(rows.end(), row.begin(), row.end());
      for (Model& model : with_it) model[ids.back()] = row;
    }
    auto result = store_->put_batch(ids, rows);
    if (result) {
      possible_ = with_it;
    } else if (result.error().code() == ErrorCode::outcome_unknown) {
      possible_.insert(possible_.end(), with_it.begin(), with_it.end());
    }
    return result;
  }

  // What the store may hold: what is acknowledged, with and without the batches whose outcome is unknown.
  std::vector<Model> possible_;
  std::uint64_t mark_ = 0;
};

TEST_F(Outage, DuringPuts) {
  outage_at_each_call([] {},
                      [&] {
                        for (int i = 0; i < 4; ++i) ignore_error(write_some(1));
                      });
}

TEST_F(Outage, DuringABatchWhoseRowsAreSyncedFirst) {
  options_.direct_batch_bytes = 64;
  outage_at_each_call(
      [&] {
        reopen();  // with these options
        ASSERT_TRUE(succeeded(write_some(1)));
      },
      [&] {
        ignore_error(write_some(40));
        ignore_error(write_some(1));
      });
}

TEST_F(Outage, DuringACheckpoint) {
  outage_at_each_call([&] { ASSERT_TRUE(succeeded(write_some(30))); },
                      [&] {
                        ignore_error(store_->checkpoint());
                        ignore_error(write_some(1));
                      });
}

TEST_F(Outage, DuringACheckpointThatUsesALogAgain) {
  outage_at_each_call(
      [&] {
        for (int i = 0; i < 3; ++i) {
          ASSERT_TRUE(succeeded(write_some(3)));
          ASSERT_TRUE(succeeded(store_->checkpoint()));
        }
        ASSERT_TRUE(succeeded(write_some(1)));
      },
      [&] {
        ignore_error(store_->checkpoint());
        ignore_error(write_some(1));
      });
}

TEST_F(Outage, DuringACompaction) {
  outage_at_each_call(
      [&] {
        ASSERT_TRUE(succeeded(write_some(30)));
        for (int i = 0; i < 8; ++i) ASSERT_TRUE(succeeded(write_some(1)));
      },
      [&] {
        ignore_error(store_->compact());
        ignore_error(write_some(1));
      });
}

TEST_F(Outage, DuringARecovery) {
  outage_at_each_call(
      [&] {
        ASSERT_TRUE(succeeded(write_some(30)));
        ASSERT_TRUE(succeeded(write_some(1)));
        store_.reset();
      },
      [&] { open_if_possible(); });
}

TEST_F(Outage, DuringARecoveryOfABatchWhoseSyncFailed) {
  outage_at_each_call(
      [&] {
        ASSERT_TRUE(succeeded(write_some(30)));
        disk_->set_hook([](const os::SimulatedCall& call) {
          const bool is_sync = std::string_view(call.operation) == "sync";
          return os::SimulatedOutcome{.fail_with = is_sync ? EIO : 0};
        });
        ASSERT_TRUE(failed_with(ErrorCode::outcome_unknown, write_some(1)));
        disk_->set_hook({});
        store_.reset();
      },
      [&] { open_if_possible(); });
}

}  // namespace
}  // namespace quire::vector
