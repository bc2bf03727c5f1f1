#pragma once
#include "src/core/pch.hpp"
#include "storage/store.hpp"
