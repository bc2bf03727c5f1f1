#pragma once
#include <rocksdb/db.h>
#include "src/core/pch.hpp"
