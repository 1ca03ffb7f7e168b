// SPDX-License-Identifier: Apache-2.0
import CKafka
import Foundation
import Testing

@testable import KafkaDriver

/// What is told and done about the group's changes, and when.
@Suite("Kafka: decisions about partitions") struct KafkaAssignmentTests {
    private let partitions = (0..<3).map { KafkaPartition("orders", $0) }

    @Test("what is given is told, and read once the owner asks again, from where it said") func gain() {
        var assignment = Assignment()
        #expect(assignment.news() == nil && assignment.owed == nil)
        assignment.gained(partitions)
        #expect(assignment.owed == .take(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .committed) })))
        #expect(assignment.acknowledged() == nil, "nothing was told")
        #expect(assignment.news() == .assigned(partitions))
        #expect(assignment.news() == nil, "told once")
        #expect(assignment.start(partitions[0], at: .at(7)) == true)
        #expect(assignment.start(KafkaPartition("orders", 9), at: .beginning) == false)
        #expect(
            assignment.acknowledged()
                == .take([partitions[0]: .at(7), partitions[1]: .committed, partitions[2]: .committed]))
        #expect(assignment.acknowledged() == nil && assignment.owed == nil)
        #expect(assignment.start(partitions[0], at: .beginning) == false)
    }

    @Test("what is taken is told, and given up once the owner asks again") func loss() {
        var assignment = Assignment()
        assignment.lost(partitions, isLost: false)
        #expect(assignment.owed == .giveUp(partitions))
        #expect(assignment.news() == .revoked(partitions, isLost: false))
        #expect(assignment.acknowledged() == .giveUp(partitions))
        #expect(assignment.owed == nil)
    }

    @Test("what is lost is only told") func lost() {
        var assignment = Assignment()
        assignment.lost(partitions, isLost: true)
        #expect(assignment.owed == nil)
        #expect(assignment.news() == .revoked(partitions, isLost: true))
        #expect(assignment.acknowledged() == nil && assignment.news() == nil)
    }

    @Test("a loss does away with what was not carried out yet", arguments: [false, true])
    func lossBeforeGain(isTold: Bool) {
        var assignment = Assignment()
        assignment.gained(partitions)
        if isTold { #expect(assignment.news() == .assigned(partitions)) }
        assignment.lost(partitions, isLost: true)
        #expect(assignment.start(partitions[0], at: .beginning) == false)
        #expect(assignment.acknowledged() == nil)
        #expect(assignment.news() == .revoked(partitions, isLost: true))
        #expect(assignment.owed == nil)
    }

    @Test("changes are told one after the other, in their order") func order() {
        var assignment = Assignment()
        assignment.gained([partitions[0]])
        assignment.lost([partitions[0]], isLost: false)
        assignment.gained([partitions[1]])
        #expect(assignment.news() == .assigned([partitions[0]]))
        #expect(assignment.acknowledged() == .take([partitions[0]: .committed]))
        #expect(assignment.news() == .revoked([partitions[0]], isLost: false))
        #expect(assignment.acknowledged() == .giveUp([partitions[0]]))
        #expect(assignment.news() == .assigned([partitions[1]]))
    }

    @Test("a seek has the time that requests have, whatever librdkafka's unit is") func seek() {
        #expect(ConsumerPart.seekTimeout(.seconds(2), version: 0x0201_00ff) == 2000)
        #expect(ConsumerPart.seekTimeout(.seconds(2), version: 0x0200_02ff) == 2_000_000)
        #expect(ConsumerPart.seekTimeout(.seconds(100_000), version: 0x0200_02ff) == .max)
    }
}

extension KafkaConsumer.Event {
    /// For what is told of partitions.
    fileprivate static func == (left: Self?, right: Self) -> Bool {
        switch (left, right) {
        case (.assigned(let left), .assigned(let right)): left == right
        case (.revoked(let left, let isLeft), .revoked(let right, let isRight)): left == right && isLeft == isRight
        default: false
        }
    }
}

/// What librdkafka's codes mean to callers.
@Suite("Kafka: errors") struct KafkaErrorTests {
    @Test(
        "what may pass is told from what will not",
        arguments: [
            (RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, true), (RD_KAFKA_RESP_ERR__TRANSPORT, true),
            (RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, true), (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, true),
            (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, false), (RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, false),
            (RD_KAFKA_RESP_ERR__FATAL, false), (RD_KAFKA_RESP_ERR__AUTHENTICATION, false),
            (RD_KAFKA_RESP_ERR__PURGE_QUEUE, false), (rd_kafka_resp_err_t(rawValue: 9999), false),
        ]) func retriable(code: rd_kafka_resp_err_t, isRetriable: Bool)
    {
        let error = KafkaError(.kafka, code)
        #expect(error.isRetriable == isRetriable)
        #expect(error.kafkaCode == Int(code.rawValue))
        #expect(error.isFatal == (code == RD_KAFKA_RESP_ERR__FATAL))
        #expect(!error.description.contains(error.message), "the description is for anybody")
    }

    @Test("the codes of a commit and of its partitions come to one outcome") func commits() throws {
        let fine = RD_KAFKA_RESP_ERR_NO_ERROR
        #expect(try ConsumerPart.outcome([fine, fine, RD_KAFKA_RESP_ERR__NO_OFFSET]).get())
        for passing in [22, 25, 27] as [Int32] {
            #expect(try !ConsumerPart.outcome([fine, rd_kafka_resp_err_t(rawValue: passing)]).get())
        }
        #expect(throws: KafkaError.self) {
            try ConsumerPart.outcome([
                RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            ]).get()
        }
    }
}
