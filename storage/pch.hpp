#pragma once
#include "src/core/pch.hpp"
#include <rocksdb/db.h>
