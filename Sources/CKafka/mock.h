// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The cluster inside librdkafka, for the helper process of the tests. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
