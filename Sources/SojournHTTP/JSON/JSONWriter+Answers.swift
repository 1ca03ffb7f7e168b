// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Sojourn

/// What only answers are made of.
extension JSONWriter {
    /// What was written so far.
    var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

    /// An array with one value for each element, written by `write`.
    mutating func array<Elements: Sequence>(
        _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        open("[")
        for element in elements { write(&self, element) }
        close("]")
    }

    /// A member with one value for each element, written by `write`.
    mutating func member<Elements: Sequence>(
        _ name: StaticString, _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        key(name)
        array(elements, write)
    }

    /// A page: `{"items": […], "next": cursor or null}`.
    mutating func page<Element>(_ page: Page<Element>, _ write: (inout JSONWriter, Element) -> Void) {
        object { json in
            json.member("items", page.items, write)
            json.member("next", page.next?.text)
        }
    }
}
