# shellcheck shell=bash disable=SC2034,SC2154
# DynamoDB Local for tests. (`command` belongs to the caller, `folder` is set by maven_folder.)

dynamodb_packages() { :; }
dynamodb_crates() { echo ttl-dynamo aws-sdk-dynamodb aws-config; }

# The server prints this line shortly before it answers.
dynamodb_ready() { echo "CorsParams"; }
dynamodb_ask() { printf 'GET / HTTP/1.0\r\n\r\n'; }
dynamodb_port() { echo 8000; }
# The table is created on the first connection.
dynamodb_url() { echo "dynamodb://ttl-store-test?endpoint=http://127.0.0.1:$1&region=us-east-1&table=ensure"; }
# The server accepts any credentials, but the client sends no request without them.
dynamodb_environment() { echo AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test; }
dynamodb_columns() { echo "DynamoDB=$1"; }
dynamodb_version() { echo "DynamoDB Local $(maven_version dynamodb)"; }

dynamodb_built_image() { echo "ttl-store-test/dynamodb:$(maven_version dynamodb)"; }
dynamodb_image_packages() { echo default-jre-headless; }
# Uses the same folder as the pulled image. As there, the command is the arguments of `java`.
dynamodb_build_image() {
  maven_folder dynamodb "$2" &&
    image_with_folder "$1" "$2" "$folder" /home/dynamodblocal --change 'ENTRYPOINT ["java"]'
}

dynamodb_options=(-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1)
dynamodb_arguments=(-inMemory -sharedDb -disableTelemetry)

dynamodb_container() {
  command=("${dynamodb_options[@]}" -Djava.library.path=DynamoDBLocal_lib -jar DynamoDBLocal.jar
    "${dynamodb_arguments[@]}")
}
dynamodb_plain() {
  need "required by DynamoDB Local" java default-jre-headless && maven_folder dynamodb "$2" || return 1
  command=(java "${dynamodb_options[@]}" "-Djava.library.path=$folder/DynamoDBLocal_lib" -jar "$folder/DynamoDBLocal.jar"
    "${dynamodb_arguments[@]}" -port "$1")
}
