#pragma once
#include "src/core/pch.hpp"
