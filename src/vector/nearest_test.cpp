#include "vector/store_test_fixture.hpp"
