#pragma once
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <holdfast/engine.hpp>
#include "src/core/pch.hpp"
