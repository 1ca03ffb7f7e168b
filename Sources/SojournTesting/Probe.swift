// SPDX-License-Identifier: Apache-2.0
import Testing
func probe() { #expect(1 == 1) }
